//! How a command speaks. Whoever reads it may have gone (`turnpike rotate-key | head -1`, a terminal that was closed): then
//! the work goes on, and its end is told by the exit status. `println!` would end it there. What cannot be written for
//! another reason (`turnpike pair > code.txt` on a full disk) ends no work either, but the command ends with status 1.

use std::{
    fmt,
    io::{ErrorKind, Write},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// A line on standard output.
macro_rules! say {
    () => {
        say!("")
    };
    ($($text:tt)*) => {
        $crate::cli::say::line(format_args!($($text)*))
    };
}

/// A line on standard error.
macro_rules! complain {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _gone = writeln!(std::io::stderr(), $($text)*);
    }};
}

/// Whether a line was lost that somebody may have wanted.
static LOST: AtomicBool = AtomicBool::new(false);

/// For `say!`.
pub fn line(text: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}")
        && error.kind() != ErrorKind::BrokenPipe
        && !LOST.swap(true, Relaxed)
    {
        complain!("turnpike: what it says cannot be written ({error}); the work goes on and ends with status 1.");
    }
}

/// Whether all was said, but for what nobody reads any more.
pub fn is_all_said() -> bool {
    !LOST.load(Relaxed)
}
