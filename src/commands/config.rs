//! `config show`.

use crate::config::Resolved;
use crate::errors::JobError;
use crate::output::console::show_text;

/// Prints each setting, its value, where that comes from, and what it is.
///
/// # Errors
/// If the standard output does not take them.
pub(super) fn show(settings: &Resolved) -> Result<(), JobError> {
    let lines: Vec<[String; 4]> = settings.lines().collect();
    let width = |index: usize| lines.iter().map(|line| line[index].len()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    for [key, value, origin, help] in &lines {
        let [w0, w1, w2] = widths;
        show_text(&format!("{key:w0$}  {value:>w1$}  {origin:w2$}  {help}\n"))?;
    }
    Ok(())
}
