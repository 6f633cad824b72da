//! How a command speaks. Whoever reads it may have gone (`turnpike rotate-key | head -1`, a terminal that was closed): then
//! the work goes on, and its end is told by the exit status. `println!` would end it there.

/// A line on standard output.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _gone = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// A line on standard error.
macro_rules! complain {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _gone = writeln!(std::io::stderr(), $($text)*);
    }};
}
