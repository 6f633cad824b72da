//! Rows of figures as months go by, and the verdict.

use crate::{
    books,
    life::Life,
    process::{Held, Process},
};
use chrono::NaiveDate;
use std::time::Instant;

/// The figures of all months.
#[derive(Default)]
pub struct Report {
    rows: Vec<Line>,
}

struct Line {
    date: NaiveDate,
    held: Held,
    sessions: usize,
    /// Letters that left since the line before.
    letters: u64,
    tables: Vec<u64>,
}

const HEAD: &str = "| date | real min | requests | RSS MB | fds | threads | tasks | sessions | database MB | letters | refused | unread |";

impl Report {
    /// Whole months so far.
    pub fn months(&self) -> u32 {
        u32::try_from(self.rows.len().saturating_sub(1)).expect("few")
    }

    /// Takes the figures and prints them.
    pub async fn row(&mut self, process: &mut Process, life: &mut Life, begun: Instant) {
        if self.rows.is_empty() {
            println!("{HEAD}\n|{}", "---|".repeat(12));
        }
        let held = process.held().await;
        let date = process.now().date_naive();
        let sessions: usize = life.routers.iter().map(|it| it.simulator.connections()).sum();
        let refused: u64 = life.whmcs.refused.values().sum();
        let letters = process.take_letters() as u64;
        println!(
            "| {date} | {} | {} | {} | {} | {} | {} | {sessions} | {} | {} | {refused} | {} |",
            begun.elapsed().as_secs() / 60,
            life.whmcs.requests,
            mb(held.resident),
            held.descriptors,
            held.threads,
            held.tasks,
            mb(held.database),
            letters,
            life.unread,
        );
        self.rows.push(Line { date, held, sessions, letters, tables: books::rows(&process.db).await });
    }

    /// Prints what it comes to; whether all is sound.
    pub async fn verdict(&self, process: &Process, life: &Life) -> bool {
        self.tables();
        println!("\nrefusals by code: {:?}; troubles of routers: {}", life.whmcs.refused, life.troubles);
        let compared = books::compare(&process.db, life).await;
        println!("{compared:?}");
        let mut sound = true;
        let mut say = |fine: bool, text: String| {
            println!("{} {text}", if fine { "ok  " } else { "BAD " });
            sound &= fine;
        };
        say(compared.over == 0, format!("{} bytes were charged that did not pass", compared.over));
        // A restart of a router loses what passed since the last reading; nothing else may, but for an answer that was lost.
        let under = compared.under.saturating_sub(compared.aside);
        let share = under.saturating_sub(life.lost) * 1000 / compared.carried.max(1);
        say(
            share <= 5,
            format!("{under} bytes are not in the books, restarts took {}; {share} of 1000 more", life.lost),
        );
        // What went uncharged the service itself has counted.
        let counted = process.in_all("turnpike_uncharged_bytes_bound_total").await;
        let unbounded = process.in_all("turnpike_uncharged_unbounded_total").await;
        say(
            under <= counted || unbounded > 0,
            format!("{counted} bytes are counted as their bound, {unbounded} times without"),
        );
        for (code, count) in &life.whmcs.refused {
            let broken = ["internal", "no code", "no answer", "unsigned"].iter().any(|it| code.starts_with(it));
            say(!broken, format!("{count} times {code}"));
        }
        let (early, late) = (&self.rows[self.rows.len() / 2], self.rows.last().expect("one at least"));
        Self::leaks(early, late, life, &mut say);
        self.slope(&mut say);
        self.bounds(late, life, &mut say);
        sound
    }

    /// From the middle to the end nothing may have grown but what the customers' number explains.
    fn leaks(early: &Line, late: &Line, life: &Life, say: &mut impl FnMut(bool, String)) {
        let (was, is) = (early.held, late.held);
        let ratio = is.resident * 100 / was.resident.max(1);
        say(ratio <= 115, format!("memory at the end is {ratio} % of the middle's ({} MB)", mb(was.resident)));
        say(
            is.descriptors <= was.descriptors + 20,
            format!("descriptors: {} then {}", was.descriptors, is.descriptors),
        );
        say(is.threads <= was.threads + 4, format!("threads: {} then {}", was.threads, is.threads));
        say(is.tasks <= was.tasks + 20, format!("tasks: {} then {}", was.tasks, is.tasks));
        let routers = life.routers.len();
        say(late.sessions <= routers, format!("{} sessions on {routers} routers", late.sessions));
    }

    /// A leak that is too slow to show in a half of the time: memory against the second month's end.
    fn slope(&self, say: &mut impl FnMut(bool, String)) {
        let (Some(second), Some(last)) = (self.rows.get(2), self.rows.last().filter(|_| self.rows.len() > 3)) else {
            return println!("     memory: no two months to compare");
        };
        let (was, is) = (second.held.resident, last.held.resident);
        let days = last.date.signed_duration_since(second.date).num_days().max(1);
        let slope = (is.cast_signed() - was.cast_signed()) * 30 / days;
        let ratio = is * 100 / was.max(1);
        say(
            ratio <= 125,
            format!("memory at the end is {ratio} % of the second month's, {slope} kB a simulated month"),
        );
    }

    /// Tables that are bounded, and those that are not by intent.
    fn bounds(&self, late: &Line, life: &Life, say: &mut impl FnMut(bool, String)) {
        let rows = |name: &str| late.tables[books::TABLES.iter().position(|it| it.0 == name).expect("listed")];
        let (there, ever) = (life.customers.len() as u64, (life.customers.len() + life.gone.len()) as u64);
        let routers = life.routers.len() as u64;
        // Letters are kept for ninety days, and a line stands for a month.
        let letters = self.rows.iter().rev().take(5).map(|it| it.letters).sum::<u64>();
        // Two a day go, and a few that did not pay: their days stay as long as anybody's.
        for (name, most) in [
            ("usage_day", (there + 33 * 4) * 33),
            ("address", there),
            ("fair_use", ever),
            ("pending", there),
            ("reset_intent", 0),
            ("nonce", 2000),
            ("sheet", ever),
            ("lease", routers + 2),
            ("mail_outbox", letters + there),
            // Nobody decides here, so nothing is forgotten: at the most one for each customer of a router in trouble.
            ("quarantine", life.troubles * (there / routers + 1)),
        ] {
            say(rows(name) <= most, format!("{name}: {} rows, bound {most}", rows(name)));
        }
        let days = late.date.signed_duration_since(self.rows[0].date).num_days().max(1).unsigned_abs();
        for name in ["account", "standing", "ledger", "usage_month", "fair_use_event"] {
            println!("     {name}: {} rows, {} a simulated month", rows(name), rows(name) * 30 / days);
        }
    }

    fn tables(&self) {
        let names: Vec<&str> = books::TABLES.iter().map(|it| it.0).collect();
        println!("\n| date | {} |\n|{}", names.join(" | "), "---|".repeat(names.len() + 1));
        for line in &self.rows {
            let rows: Vec<String> = line.tables.iter().map(u64::to_string).collect();
            println!("| {} | {} |", line.date, rows.join(" | "));
        }
    }
}

/// Megabytes with a decimal.
fn mb(kilobytes: u64) -> String {
    format!("{}.{}", kilobytes / 1024, kilobytes % 1024 * 10 / 1024)
}
