//! Conversations: golden dialogues, damaged ones, hostile servers, and real ones.

mod dialogues;
mod driver;
mod evidence;
mod hostile;
mod real;
