//! Plans: the funnel adds up, targets are ours, hooks only narrow, names are resolved with care.

mod funnel;
mod hooks;
mod names;
mod property;
mod world;
