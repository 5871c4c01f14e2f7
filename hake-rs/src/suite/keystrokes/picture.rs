//! A screen as a picture.

use std::fmt::Write as _;

/// Width and height of a character, and the edge around, in pixels.
const WIDTH: f32 = 8.4;
const HEIGHT: usize = 18;
const EDGE: usize = 12;

/// The rows of a screen as an SVG picture, without the empty ones at the end.
#[must_use]
pub fn svg(screen: &str, columns: usize) -> String {
    let rows: Vec<&str> = screen.trim_end().lines().collect();
    let width = (columns as f32 * WIDTH).ceil() as usize + 2 * EDGE;
    let height = rows.len() * HEIGHT + 2 * EDGE;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#1c2128\"/>\n\
         <g font-family=\"ui-monospace, Menlo, Consolas, monospace\" font-size=\"14\" fill=\"#d6dde6\" xml:space=\"preserve\">\n"
    );
    for (index, row) in rows.iter().enumerate() {
        let y = EDGE + HEIGHT * (index + 1) - 5;
        let (prompt, rest) = match row.strip_prefix(PROMPT) {
            Some(rest) => (PROMPT, rest),
            None => ("", *row),
        };
        let length = (row.chars().count() as f32 * WIDTH).ceil();
        let _ = writeln!(
            out,
            "<text x=\"{EDGE}\" y=\"{y}\" textLength=\"{length}\"><tspan fill=\"#7ee787\">{}</tspan>{}</text>",
            escaped(prompt),
            escaped(rest)
        );
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// What is shown in another colour.
const PROMPT: &str = "barreleye> ";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::svg;

    #[test]
    fn rows_become_lines_of_text() {
        let picture = svg("barreleye> echo a > b\na<b\n\n\n", 40);
        assert!(picture.contains("barreleye&gt; </tspan>echo a &gt; b</text>"));
        assert!(picture.contains("</tspan>a&lt;b</text>"));
        assert_eq!(picture.matches("<text").count(), 2);
    }
}
