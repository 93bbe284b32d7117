//! A badge: how many requirements of Syncline v1 hold.

use maud::html;

use super::run::Run;
use super::summary::Chapter;

/// The width of a character, roughly, in the font that badges have.
const CHAR: usize = 7;

/// The badge, as SVG: green if all that was judged holds, red if something is broken.
#[must_use]
pub fn badge(run: &Run<'_>) -> String {
    let Chapter {
        judged,
        broken,
        requirements,
        ..
    } = run.summary.total;
    let colour = match run.summary.exit_code() {
        0 => "#2f8f5b",
        1 => "#c8322b",
        _ => "#b07400",
    };
    let left = "syncline v1";
    let right = format!("{} of {requirements}", judged.saturating_sub(broken));
    let room = |text: &str| CHAR * text.chars().count() + 14;
    let (split, width) = (room(left), room(left) + room(&right));
    let said = format!("{left}: {right}");
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height="20" role="img" aria-label=(said) {
            title { (said) }
            clipPath id="round" { rect width=(width) height="20" rx="3" {} }
            g clip-path="url(#round)" {
                rect width=(split) height="20" fill="#454a50" {}
                rect x=(split) width=(width - split) height="20" fill=(colour) {}
            }
            g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" {
                text x=(split / 2) y="14" { (left) }
                text x=(split + (width - split) / 2) y="14" { (right) }
            }
        }
    }
    .into_string()
        + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::Sample;

    #[test]
    fn it_says_how_many_hold() {
        insta::assert_snapshot!(badge(&Sample::new().run()));
    }
}
