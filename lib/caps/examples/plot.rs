//! Draws what `cargo bench -p caps` prints, as SVG for the book: one panel an operation, one line a shape.

use std::collections::BTreeMap;
use std::io::Read as _;

const PANEL: f64 = 250.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 34.0;
const COLOURS: [&str; 3] = ["#3b82c4", "#dd7a1c", "#2f9e69"];

/// Points of a line: capabilities, nanoseconds.
type Line = Vec<(f64, f64)>;

/// A round number not below the largest.
fn ceiling(largest: f64) -> f64 {
    let unit = 10_f64.powf(largest.log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let found = steps.into_iter().find(|step| step * unit >= largest);
    found.unwrap_or(10.0) * unit
}

fn panel(title: &str, at: f64, lines: &[(String, Line)]) -> String {
    let all = lines.iter().flat_map(|(_, line)| line);
    let most = ceiling(all.map(|(_, took)| *took).fold(1.0, f64::max));
    let x = |count: f64| at + (count.log10() - 2.0) / 4.0 * (PANEL - LEFT - 14.0);
    let y = |took: f64| TOP + HEIGHT * (1.0 - took / most);
    let mut out = format!("<text x=\"{at}\" y=\"18\" font-weight=\"600\">{title}</text>\n");
    for step in 0..=4 {
        let took = most * f64::from(step) / 4.0;
        out += &format!(
            "<path d=\"M{at} {y:.1}h{width}\" stroke=\"#8884\"/><text x=\"{label}\" y=\"{text:.1}\" text-anchor=\"end\">{took:.0}</text>\n",
            y = y(took),
            width = PANEL - LEFT - 14.0,
            label = at - 6.0,
            text = y(took) + 4.0,
        );
    }
    for power in 2..=6 {
        out += &format!(
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">10<tspan dy=\"-5\" font-size=\"8\">{power}</tspan></text>\n",
            x(10_f64.powi(power)),
            TOP + HEIGHT + 18.0
        );
    }
    for ((_, line), colour) in lines.iter().zip(COLOURS) {
        let points: Vec<_> = line
            .iter()
            .map(|(count, took)| format!("{:.1},{:.1}", x(*count), y(*took)))
            .collect();
        out += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
            points.join(" ")
        );
        for point in points {
            let (cx, cy) = point.split_once(',').unwrap_or_default();
            out += &format!("<circle cx=\"{cx}\" cy=\"{cy}\" r=\"3\" fill=\"{colour}\"/>\n");
        }
    }
    out
}

fn main() -> std::io::Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let mut panels: BTreeMap<&str, Vec<(String, Line)>> = BTreeMap::new();
    for row in text.lines() {
        if let [shape, operation, count, took] = row.split(',').collect::<Vec<_>>()[..]
            && let (Ok(count), Ok(took)) = (count.parse(), took.parse())
        {
            let lines = panels.entry(operation).or_default();
            match lines.iter_mut().find(|(name, _)| name == shape) {
                Some((_, line)) => line.push((count, took)),
                None => lines.push((shape.into(), vec![(count, took)])),
            }
        }
    }
    let (width, height) = (PANEL * panels.len() as f64, TOP + HEIGHT + 62.0);
    println!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\" \
         font-size=\"11\" fill=\"#777\" role=\"img\" aria-label=\"Nanoseconds of an operation by number of capabilities\">"
    );
    for (number, (title, lines)) in panels.iter().enumerate() {
        let at = number as f64 * PANEL + LEFT;
        println!("{}", panel(&format!("{title}, ns"), at, lines));
    }
    let names = panels.values().next().into_iter().flatten();
    for (number, ((name, _), colour)) in names.zip(COLOURS).enumerate() {
        let (x, y) = (LEFT + number as f64 * 130.0, height - 14.0);
        println!(
            "<path d=\"M{x} {line}h18\" stroke=\"{colour}\" stroke-width=\"3\"/><text x=\"{text}\" y=\"{y}\">{name}</text>",
            line = y - 4.0,
            text = x + 24.0
        );
    }
    println!("</svg>");
    Ok(())
}
