//! Transactions that are done over where another was in the way.

use std::time::Duration;
use tokio::time::Instant;

/// How often a transaction is done over where another was in its way, and for how long at the least.
const TRIES: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(2);
const LONGEST_REST: Duration = Duration::from_millis(200);

/// The tries of a transaction: for [`in_tx!`](crate::in_tx) only.
#[doc(hidden)]
#[derive(Debug)]
pub struct Tries {
    since: Instant,
    made: u32,
}

impl Tries {
    #[doc(hidden)]
    pub fn first() -> Self {
        Self { since: Instant::now(), made: 1 }
    }

    /// Whether there is another.
    #[doc(hidden)]
    pub fn go_on(&self) -> bool {
        self.made < TRIES || self.since.elapsed() < PATIENCE
    }

    /// A moment for the other transaction to end, longer each time.
    #[doc(hidden)]
    pub async fn next(&mut self) {
        let rest = Duration::from_millis(5) * self.made.saturating_pow(2);
        tokio::time::sleep(rest.min(LONGEST_REST)).await;
        self.made += 1;
    }
}

/// Runs a transaction's story and commits it; over again, for two seconds and five tries, where another was in the way:
/// `in_tx!(db, tx => { … Ok(answer) })`. The story's error type must be `From<db::Error>` and answer `is_retryable`.
/// Nothing outside the database may be called in it (law 1). A `return` in it ends it without a commit. With
/// [`Db::begin_unflushed`](crate::db::Db::begin_unflushed):
/// `in_tx!(db, begin_unflushed, tx => { … })`.
///
/// A commit of which it is not known whether it was carried out (the connection was lost under it) is *not* done over: its
/// error goes to the caller, and what holds is read from the database by whoever comes next.
#[macro_export]
macro_rules! in_tx {
    ($db:expr, $tx:ident => $story:expr) => {
        $crate::in_tx!($db, begin, $tx => $story)
    };
    ($db:expr, $begin:ident, $tx:ident => $story:expr) => {{
        let mut tries = $crate::db::Tries::first();
        loop {
            let outcome = async {
                let mut $tx = $db.$begin().await?;
                let answer = { $story };
                match answer {
                    Ok(answer) => {
                        $tx.commit().await?;
                        Ok(answer)
                    }
                    Err(error) => Err(error),
                }
            }
            .await;
            match outcome {
                Err(error) if error.is_retryable() && tries.go_on() => tries.next().await,
                outcome => break outcome,
            }
        }
    }};
}
