/* yardstick.c - the least a SYN scanner can be and still be right: what a simple design reaches on this laboratory.
 * It knows nothing of inventories, warrants or pacing; it is here to show how far a real tool is from the floor.
 *
 * usage: yardstick FIRST_ADDRESS HOSTS PORTS [-R ROUNDS] [-w WAIT_MS] [-r PACKETS_PER_SECOND]
 * PORTS is 1-65535 or a,b,c. One thread sends (sendmmsg past the queueing discipline), one receives (a TPACKET_V3
 * ring behind a kernel filter). The sequence number is a keyed cookie that the acknowledgement must carry; later
 * rounds ask the silent only. Prints "ADDRESS PORT" of what is open. Only addresses of 198.18.0.0/15. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "inside.h"

#define INTERFACE "s0"
#define SOURCE "192.0.2.2"
#define SOURCE_PORT 45000
#define BATCH 64
#define FRAME 58
#define BLOCK (1u << 20)
#define BLOCKS 64u

enum { SILENT, CLOSED, OPEN };

static uint32_t base, hosts;
static uint16_t ports[65536];
static int place[65536], port_count;
static uint64_t total, key;
static _Atomic uint8_t *state;
static _Atomic uint64_t answered;
static volatile int stop;
static volatile int ready;

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static uint64_t mix(uint64_t x) {
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	return x ^ (x >> 33);
}

static uint32_t cookie(uint32_t address, uint16_t port) { return (uint32_t)mix(key ^ ((uint64_t)address << 16 | port)); }

static uint16_t fold(uint32_t sum) {
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static uint32_t words(const uint8_t *bytes, int count) {
	uint32_t sum = 0;
	for (int i = 0; i < count; i++) {
		uint16_t word;
		memcpy(&word, bytes + 2 * i, 2);
		sum += word;
	}
	return sum;
}

static void frame(uint8_t *f, uint32_t address, uint16_t port) {
	static const uint8_t front[26] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 44, 0, 0, 0x40, 0, 64, 6 };
	static const uint8_t back[12] = { 0x60, 2, 0xfa, 0xf0, 0, 0, 0, 0, 2, 4, 5, 0xb4 };
	uint32_t from = inet_addr(SOURCE), to = htonl(address), sequence = htonl(cookie(address, port));
	uint16_t own = htons(SOURCE_PORT), other = htons(port), sum;
	memcpy(f, front, 26);
	memcpy(f + 26, &from, 4);
	memcpy(f + 30, &to, 4);
	memcpy(f + 34, &own, 2);
	memcpy(f + 36, &other, 2);
	memcpy(f + 38, &sequence, 4);
	memset(f + 42, 0, 4);
	memcpy(f + 46, back, 12);
	sum = fold(words(f + 14, 10));
	memcpy(f + 24, &sum, 2);
	sum = fold(htons(6) + htons(24) + words(f + 26, 16));
	memcpy(f + 50, &sum, 2);
}

static void answer(const uint8_t *f) {
	uint32_t address, acknowledged;
	uint16_t port;
	memcpy(&address, f + 26, 4);
	memcpy(&port, f + 34, 2);
	memcpy(&acknowledged, f + 42, 4);
	address = ntohl(address);
	port = ntohs(port);
	if (address - base >= hosts || place[port] < 0 || ntohl(acknowledged) != cookie(address, port) + 1) return;
	uint64_t at = (uint64_t)place[port] * hosts + (address - base);
	if (state[at] != SILENT) return;
	state[at] = f[47] & 4 ? CLOSED : OPEN;
	answered++;
}

static void *receive(void *argument) {
	int s = *(int *)argument, version = TPACKET_V3;
	struct tpacket_req3 ring = { .tp_block_size = BLOCK, .tp_block_nr = BLOCKS, .tp_frame_size = 2048,
		.tp_frame_nr = BLOCK / 2048 * BLOCKS, .tp_retire_blk_tov = 2 };
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = if_nametoindex(INTERFACE) };
	setsockopt(s, SOL_PACKET, PACKET_VERSION, &version, sizeof version);
	if (setsockopt(s, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring)) exit(1);
	uint8_t *memory = mmap(0, (size_t)BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	if (memory == MAP_FAILED || bind(s, (void *)&at, sizeof at)) exit(1);
	ready = 1;
	struct pollfd readable = { s, POLLIN, 0 };
	for (uint32_t current = 0; !stop;) {
		struct tpacket_block_desc *block = (void *)(memory + (size_t)current * BLOCK);
		if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
			poll(&readable, 1, 5);
			continue;
		}
		uint8_t *packet = (uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
		for (uint32_t i = 0; i < block->hdr.bh1.num_pkts; i++) {
			struct tpacket3_hdr *header = (void *)packet;
			answer(packet + header->tp_mac);
			packet += header->tp_next_offset;
		}
		__atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		current = (current + 1) % BLOCKS;
	}
	return NULL;
}

static void read_ports(char *text) {
	for (char *t = strtok(text, ","); t; t = strtok(NULL, ",")) {
		int a, b;
		if (sscanf(t, "%d-%d", &a, &b) != 2) b = a = atoi(t);
		for (; a <= b && port_count < 65536; a++) ports[port_count++] = a;
	}
	for (int i = 0; i < 65536; i++) place[i] = -1;
	for (int i = 0; i < port_count; i++) place[ports[i]] = i;
}

/* One round over the silent; returns how many were sent. */
static uint64_t ask(int s, double rate) {
	static struct mmsghdr messages[BATCH];
	static struct iovec parts[BATCH];
	static uint8_t frames[BATCH][64];
	double start = now();
	uint64_t sent = 0;
	int n = 0;
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ frames[i], FRAME };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (uint64_t i = 0; i <= total; i++) {
		if (i < total) {
			if (state[i] != SILENT) continue;
			frame(frames[n++], base + i % hosts, ports[i / hosts]);
		}
		if (n < BATCH && i < total) continue;
		for (int done = 0; done < n;) {
			int k = sendmmsg(s, messages + done, n - done, 0);
			if (k > 0) done += k;
			else sched_yield();
		}
		sent += n;
		n = 0;
		double early;
		while (rate > 0 && (early = start + sent / rate - now()) > 0)
			if (early > 2e-4) usleep((early - 1e-4) * 1e6);
	}
	return sent;
}

int main(int argc, char **argv) {
	refuse_outside();
	int option, rounds = 2, wait_ms = 100, one = 1, big = 1 << 24;
	double rate = 0, start = now();
	while ((option = getopt(argc, argv, "R:w:r:")) != -1) {
		if (option == 'R') rounds = atoi(optarg);
		if (option == 'w') wait_ms = atoi(optarg);
		if (option == 'r') rate = atof(optarg);
	}
	if (argc - optind != 3) {
		fprintf(stderr, "usage: yardstick FIRST_ADDRESS HOSTS PORTS [-R ROUNDS] [-w WAIT_MS] [-r PER_SECOND]\n");
		return 2;
	}
	base = ntohl(inet_addr(argv[optind]));
	hosts = atoi(argv[optind + 1]);
	if (base < 0xc6120000u || (uint64_t)base + hosts > 0xc6140000ull) {
		fprintf(stderr, "refused: only addresses of 198.18.0.0/15\n");
		return 2;
	}
	read_ports(argv[optind + 2]);
	total = (uint64_t)hosts * port_count;
	state = calloc(total, 1);
	key = mix((uint64_t)(start * 1e9) ^ getpid());
	/* TCP to our port, 60 bytes of it. */
	struct sock_filter code[] = { { 0x30, 0, 0, 23 }, { 0x15, 0, 3, 6 }, { 0x28, 0, 0, 36 }, { 0x15, 0, 1, SOURCE_PORT },
		{ 6, 0, 0, 60 }, { 6, 0, 0, 0 } };
	struct sock_fprog filter = { 6, code };
	int in = socket(AF_PACKET, SOCK_RAW, 0), out = socket(AF_PACKET, SOCK_RAW, 0);
	setsockopt(in, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
	setsockopt(in, SOL_PACKET, 23 /* PACKET_IGNORE_OUTGOING */, &one, sizeof one);
	pthread_t thread;
	pthread_create(&thread, NULL, receive, &in);
	while (!ready) usleep(100);
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(INTERFACE) };
	setsockopt(out, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	setsockopt(out, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
	if (bind(out, (void *)&at, sizeof at)) return 1;
	uint64_t sent = 0;
	for (int r = 0; r < rounds && answered < total; r++) {
		sent += ask(out, rate);
		double end = now() + wait_ms / 1e3;
		while (now() < end && answered < total) usleep(1000);
	}
	double seconds = now() - start;
	stop = 1;
	pthread_join(thread, NULL);
	struct tpacket_stats_v3 drops;
	socklen_t length = sizeof drops;
	getsockopt(in, SOL_PACKET, PACKET_STATISTICS, &drops, &length);
	for (uint64_t i = 0; i < total; i++) {
		struct in_addr a = { htonl(base + i % hosts) };
		if (state[i] == OPEN) printf("%s %d\n", inet_ntoa(a), ports[i / hosts]);
	}
	fprintf(stderr, "targets=%lu sent=%lu answered=%lu dropped=%u seconds=%.3f\n", total, sent, (uint64_t)answered,
		drops.tp_drops, seconds);
	return 0;
}
