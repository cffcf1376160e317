//! `schedule { … }` and `notify { … }`: guide rules H1 to H16, traps T10 and T11.

use std::num::NonZeroU32;

use jiff::civil::{Time, Weekday};

use super::Context;
use super::connector::no_new_errors;
use super::reader::{Reader, wrong};
use crate::base::nearest::did_you_mean;
use crate::base::source::Spanned;
use crate::lang::job::{Blackout, Bound, Dst, Notify, NotifyOn, Recurrence, Schedule};
use crate::lang::syntax::ast::{Block, Node, NodeKind};

const DAYS: &[(&str, Weekday)] = &[
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

fn weekday(word: &str) -> Option<Weekday> {
    let lower = word.to_lowercase();
    let day = DAYS.iter().find(|(short, _)| lower.starts_with(short))?;
    let long = format!("{:?}", day.1).to_lowercase();
    (lower == day.0 || lower == long).then_some(day.1)
}

pub(super) fn lower(block: &Block, context: &mut Context<'_>) -> Option<Schedule> {
    let before = context.found.len();
    let reader = Reader::open(block, context);
    let node = reader.node("start")?;
    let (start, zone) = match &node.kind {
        NodeKind::DateTime { civil, zone } => (*civil, zone.clone().unwrap_or_else(|| "UTC".into())),
        NodeKind::Date(day) => (day.to_datetime(Time::midnight()), "UTC".into()),
        _ => {
            wrong("start", node, "a date and time such as 2026-03-30T00:00[America/Los_Angeles]", context);
            return None;
        }
    };
    if jiff::tz::TimeZone::get(&zone).is_err() {
        let known: Vec<String> = jiff::tz::db().available().map(|n| n.to_string()).collect();
        let help = did_you_mean(&zone, known.iter().map(String::as_str))
            .unwrap_or_else(|| "write an IANA name such as Europe/Berlin".into());
        context.fail::<()>("P0221", format!("there is no time zone `{zone}`"), node.span, help);
    }
    let dst = [("follow", Dst::Follow), ("fixed", Dst::Fixed)];
    let schedule = Schedule {
        start,
        zone,
        every: reader.node("every").and_then(|n| recurrence(n, context)),
        dst: reader.choice("dst", &dst, context).unwrap_or(Dst::Follow),
        ends_after: reader
            .number("ends_after", 1..=1_000_000, context)
            .and_then(|n| u32::try_from(n).ok())
            .and_then(NonZeroU32::new),
        bound: bound(&reader, context),
        blackouts: blackouts(&reader, context),
        span: block.span,
    };
    no_new_errors(before, context).then_some(schedule)
}

fn bound(reader: &Reader<'_>, context: &mut Context<'_>) -> Option<Bound> {
    let pause = reader.duration("pause_after", context);
    let resume = reader.duration("resume_in", context);
    let cancel = reader.duration("cancel_after", context);
    match (pause, resume, cancel) {
        (Some(_), _, Some(_)) => {
            let span = reader.attr("cancel_after").map_or(reader.block.span, |a| a.span);
            context.fail(
                "P0222",
                "a run is paused or cancelled, not both".into(),
                span,
                "keep one of pause_after and cancel_after",
            )
        }
        (None, Some(_), _) => {
            let span = reader.attr("resume_in").map_or(reader.block.span, |a| a.span);
            context.fail("P0222", "`resume_in` needs `pause_after`".into(), span, "add pause_after")
        }
        (Some(after), Some(resume_in), None) if resume_in <= after => {
            let span = reader.attr("resume_in").map_or(reader.block.span, |a| a.span);
            let help = "both count from the start of the run, so resume_in is the longer one";
            context.fail("P0222", "the run would resume before it pauses".into(), span, help)
        }
        (Some(after), resume_in, None) => Some(Bound::Pause { after, resume_in }),
        (None, None, Some(after)) => Some(Bound::Cancel { after }),
        (None, None, None) => None,
    }
}

/// `1 day`, `2 week on [mon, fri]`, `1 month on 15`, `1 month on last sunday`.
fn recurrence(node: &Node, context: &mut Context<'_>) -> Option<Recurrence> {
    let read = match &node.kind {
        NodeKind::Phrase(parts) => read_recurrence(parts),
        _ => None,
    };
    if read.is_none() {
        let help =
            "write 1 day (to 365), 2 week on [mon, fri] (to 52), 1 month on 15 or 1 month on last sunday (to 12)";
        return context.fail("P0223", "`every` is not a recurrence".into(), node.span, help);
    }
    read
}

fn read_recurrence(parts: &[Node]) -> Option<Recurrence> {
    let number = |n: &Node| match n.kind {
        NodeKind::Number(n) => Some(n),
        _ => None,
    };
    let word = |n: &Node| match &n.kind {
        NodeKind::Word(w) => Some(w.trim_end_matches('s').to_lowercase()),
        _ => None,
    };
    let (n, unit) = (number(parts.first()?)?, word(parts.get(1)?)?);
    match (unit.as_str(), parts.get(2..)?) {
        ("day", []) => u16::try_from(n).ok().filter(|n| (1..=365).contains(n)).map(Recurrence::Days),
        ("week", [on, days]) if word(on)? == "on" => {
            let n = u8::try_from(n).ok().filter(|n| (1..=52).contains(n))?;
            let nodes = match &days.kind {
                NodeKind::List(nodes) => nodes.as_slice(),
                _ => std::slice::from_ref(days),
            };
            let days: Option<Vec<Weekday>> = nodes
                .iter()
                .map(|n| match &n.kind {
                    NodeKind::Word(w) => weekday(w),
                    _ => None,
                })
                .collect();
            days.filter(|d| !d.is_empty()).map(|d| Recurrence::Weeks(n, d))
        }
        ("month", [on, day]) if word(on)? == "on" => {
            let n = u8::try_from(n).ok().filter(|n| (1..=12).contains(n))?;
            let day = i8::try_from(number(day)?).ok().filter(|d| (1..=31).contains(d))?;
            Some(Recurrence::MonthDay(n, day))
        }
        ("month", [on, nth, day]) if word(on)? == "on" => {
            let n = u8::try_from(n).ok().filter(|n| (1..=12).contains(n))?;
            let nth = match (&nth.kind, number(nth)) {
                (_, Some(nth)) => i8::try_from(nth).ok().filter(|n| (1..=5).contains(n))?,
                (NodeKind::Word(w), None) => match w.as_str() {
                    "first" => 1,
                    "second" => 2,
                    "third" => 3,
                    "fourth" => 4,
                    "fifth" => 5,
                    "last" => -1,
                    _ => return None,
                },
                _ => return None,
            };
            let NodeKind::Word(day) = &day.kind else { return None };
            weekday(day).map(|d| Recurrence::MonthWeekday(n, nth, d))
        }
        _ => None,
    }
}

fn blackouts(reader: &Reader<'_>, context: &mut Context<'_>) -> Vec<Blackout> {
    let texts: Vec<Spanned<String>> = reader.texts("blackout", context).unwrap_or_default();
    let mut found = Vec::new();
    for text in texts {
        match blackout(&text.value) {
            Some(window) => found.push(window),
            None => {
                let help = "write \"Mon-Fri 09:00-17:00\"; a window that ends before it starts ends the next day";
                context.fail::<()>("P0224", format!("`{}` is not a window", text.value), text.span, help);
            }
        }
    }
    found
}

fn blackout(text: &str) -> Option<Blackout> {
    let (days, times) = text.trim().split_once(' ')?;
    let (from, to) = times.trim().split_once('-')?;
    let time = |t: &str| t.trim().parse::<Time>().ok().filter(|_| t.trim().len() == 5);
    let mut chosen = Vec::new();
    for part in days.split(',') {
        match part.split_once('-') {
            None => chosen.push(weekday(part.trim())?),
            Some((a, b)) => {
                let (a, b) = (weekday(a.trim())?, weekday(b.trim())?);
                let mut day = a;
                chosen.push(day);
                while day != b {
                    day = day.next();
                    chosen.push(day);
                }
            }
        }
    }
    Some(Blackout { days: chosen, from: time(from)?, to: time(to)? })
}

pub(super) fn notify(block: &Block, context: &mut Context<'_>) -> Option<Notify> {
    let before = context.found.len();
    let reader = Reader::open(block, context);
    let to = reader.texts("to", context)?;
    for name in &to {
        context.refer("channel", name);
    }
    let words = [
        ("change", NotifyOn::Change),
        ("finish", NotifyOn::Finish),
        ("failure", NotifyOn::Failure),
        ("always", NotifyOn::Always),
    ];
    let notify = Notify {
        before: reader.duration("before", context),
        to,
        on: reader.choice("on", &words, context).unwrap_or(NotifyOn::Change),
        span: block.span,
    };
    no_new_errors(before, context).then_some(notify)
}
