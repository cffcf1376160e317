//! Every limit of the program in one struct, units in the names. Each door (file, frame, reply, script) has one.

use std::time::Duration;

/// What bounds untrusted input. `Limits::default()` is what the program uses; tests lower single fields.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A job file's size. language.md 2.3.
    pub job_file_bytes: u64,
    /// Nesting of parentheses, brackets, braces and runs of `not`, counted before the parser runs.
    pub nesting_depth: usize,
    /// Terms in one query.
    pub query_terms: usize,
    /// Diagnostics shown for one file; more are counted.
    pub diagnostics_per_file: usize,
    /// One inventory file, unpacked.
    pub inventory_file_bytes: u64,
    /// One record of an inventory file: a reservation, a machine, a page inside an array.
    pub inventory_record_bytes: usize,
    /// Assets in one snapshot.
    pub assets: usize,
    /// Provider tags (key and value pairs) on one asset.
    pub provider_tags_per_asset: usize,
    /// Interfaces of one asset.
    pub interfaces_per_asset: usize,
    /// Addresses of one interface.
    pub addresses_per_interface: usize,
    /// One string value of an inventory record.
    pub inventory_string_bytes: usize,
    /// Nesting of an inventory file's JSON.
    pub json_depth: usize,
    /// A rhai script's size.
    pub script_bytes: u64,
    /// Operations of one hook call.
    pub script_operations: u64,
    /// Nested calls of one hook call.
    pub script_call_depth: usize,
    /// Nesting of expressions in a script.
    pub script_expr_depth: usize,
    /// Length of a string in a script.
    pub script_string_bytes: usize,
    /// Elements of an array in a script.
    pub script_array_items: usize,
    /// Entries of a map in a script.
    pub script_map_items: usize,
    /// Variables alive in a script.
    pub script_variables: usize,
    /// Wall time of one hook call.
    pub script_wall: Duration,
    /// Targets of one plan.
    pub targets: usize,
    /// Addresses kept of one name's answer.
    pub addresses_per_name: usize,
    /// Names being resolved at once.
    pub names_in_flight: usize,
    /// Time for one name, all tries together.
    pub resolve_timeout: Duration,
    /// A received frame that is longer is dropped and counted.
    pub frame_bytes: usize,
    /// Connect-mode sockets open at once.
    pub sockets_in_flight: usize,
    /// One answer of a provider, unpacked.
    pub http_body_bytes: usize,
    /// Time to connect to a provider.
    pub http_connect_timeout: Duration,
    /// Time for one exchange with a provider.
    pub http_timeout: Duration,
    /// Calls to a provider under way at once, all accounts and regions together.
    pub calls_in_flight: usize,
    /// Records asked for with one page, where the provider lets us choose; each call has a limit of its own as well.
    pub records_per_page: u32,
    /// Throttled answers to one call before its partition is given up.
    pub throttled_answers: u32,
    /// Further tries of a call after failures that may pass.
    pub call_retries: u32,
    /// Pages read of one partition.
    pub pages_per_partition: usize,
    /// Bytes received in one conversation with a service, all its connections together.
    pub service_bytes: usize,
    /// Calls of one conversation.
    pub service_steps: usize,
    /// Hellos tried on a port that shows nothing of itself.
    pub service_hellos: usize,
    /// Connections to one host at once while talking.
    pub service_connections_per_host: usize,
    /// Connections (for UDP datagrams) to one open port in all its conversations.
    pub service_connections_per_port: u32,
    /// Silence after which a service that speaks first is taken to wait for us.
    pub service_greeting_wait: Duration,
    /// The same on a last try, where such a service is likely and nothing else answered: mail servers make clients wait.
    pub service_slow_greeting_wait: Duration,
    /// Silence after which an answer is no longer waited for.
    pub service_answer_wait: Duration,
    /// One conversation from its first to its last byte.
    pub service_conversation_wall: Duration,
    /// One port with all its conversations.
    pub service_port_wall: Duration,
    /// Addresses whose ownership is confirmed in one go.
    pub lease_claims: usize,
    /// One REPL or query line.
    pub line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            job_file_bytes: 16 << 20,
            nesting_depth: 128,
            query_terms: 1_000,
            diagnostics_per_file: 1_000,
            inventory_file_bytes: 8 << 30,
            inventory_record_bytes: 64 << 20,
            assets: 20_000_000,
            provider_tags_per_asset: 1_000,
            interfaces_per_asset: 64,
            addresses_per_interface: 1_024,
            inventory_string_bytes: 64 << 10,
            json_depth: 128,
            script_bytes: 1 << 20,
            script_operations: 1_000_000,
            script_call_depth: 32,
            script_expr_depth: 64,
            script_string_bytes: 100_000,
            script_array_items: 10_000,
            script_map_items: 10_000,
            script_variables: 1_000,
            script_wall: Duration::from_millis(250),
            targets: 20_000_000,
            addresses_per_name: 64,
            names_in_flight: 500,
            resolve_timeout: Duration::from_secs(5),
            frame_bytes: 65_535,
            sockets_in_flight: 16_000,
            http_body_bytes: 64 << 20,
            http_connect_timeout: Duration::from_secs(10),
            http_timeout: Duration::from_secs(60),
            calls_in_flight: 16,
            records_per_page: 1_000,
            throttled_answers: 8,
            call_retries: 4,
            pages_per_partition: 100_000,
            service_bytes: 512 << 10,
            service_steps: 256,
            service_hellos: 64,
            service_connections_per_host: 8,
            service_connections_per_port: 600,
            service_greeting_wait: Duration::from_millis(250),
            service_slow_greeting_wait: Duration::from_secs(8),
            service_answer_wait: Duration::from_millis(1_500),
            service_conversation_wall: Duration::from_secs(30),
            service_port_wall: Duration::from_secs(90),
            lease_claims: 1_000,
            line_bytes: 1 << 20,
        }
    }
}
