//! Printing to stdout, where whoever stops listening (`| head`) is no fault: `println!` would panic.

/// As `print!`, but what cannot be written is dropped.
macro_rules! out {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stdout().lock(), $($what)*);
    }};
}

/// As `println!`, but what cannot be written is dropped.
macro_rules! outln {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout().lock(), $($what)*);
    }};
}
