//! Plays recorded traces of allocations with best fit and with first fit, and draws how memory gets fragmented, as SVG for the book:
//!
//! ```sh
//! cargo run -p mm --example fragmentation -- lib/mm/traces/*.trace > docs/src/img/fragmentation.svg
//! ```
//!
//! A trace has a line for each operation, in pages, numbers in hex: `+ BASE PAGES ALIGNMENT` for what was granted, `- BASE PAGES` for what was
//! given back. Its first line is `# NAME`. The addresses are those of the recording; what is given back is found by them.
//!
//! Both policies get the least memory with which one of them can still play the whole trace. The table on the error stream says
//! how much that is for each, and the greatest number of holes.
#![expect(
    clippy::expect_used,
    reason = "a tool for developers may stop at the first surprise"
)]

use arena::Slot;
use mm::ram::{Node, PAGE, Ram};
use mm::{MmError, Span};
use std::collections::BTreeMap;

const PANEL: f64 = 420.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 34.0;
const COLOURS: [&str; 2] = ["#3b82c4", "#dd7a1c"];
/// Points of a line.
const POINTS: usize = 300;

/// One operation: of so many pages at an address of the recording; with an alignment if memory is granted.
struct Operation {
    base: u64,
    pages: u64,
    alignment: Option<u64>,
}

struct Trace {
    name: String,
    operations: Vec<Operation>,
}

impl Trace {
    fn read(path: &str) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let hex = |word: &str| u64::from_str_radix(word, 16).expect("a number in hex");
        let mut trace = Self {
            name: path.into(),
            operations: Vec::new(),
        };
        for line in text.lines() {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["#", ..] => trace.name = line[1..].trim().into(),
                ["+", base, pages, alignment] => trace.operations.push(Operation {
                    base: hex(base),
                    pages: hex(pages),
                    alignment: Some(hex(alignment)),
                }),
                ["-", base, pages] => trace.operations.push(Operation {
                    base: hex(base),
                    pages: hex(pages),
                    alignment: None,
                }),
                _ => {}
            }
        }
        Ok(trace)
    }

    /// Most pages that are granted at a time.
    fn peak(&self) -> u64 {
        let (mut now, mut peak) = (0, 0);
        for operation in &self.operations {
            match operation.alignment {
                Some(_) => now += operation.pages,
                None => now -= operation.pages,
            }
            peak = now.max(peak);
        }
        peak
    }

    /// Plays it in so many pages. Answers the free memory outside of the largest hole in %, and the number of holes, after each operation; `None`
    /// when there was once no place.
    fn play(&self, pages: u64, best: bool) -> Option<Vec<(f64, usize)>> {
        let store = vec![Slot::default(); 2 + pages as usize];
        let mut ram: Ram<(), Vec<Slot<Node<()>>>> = Ram::new(store);
        ram.add((), 0, pages * PAGE).expect("empty books");
        // Where each page of the recording is now.
        let mut places: BTreeMap<u64, u64> = BTreeMap::new();
        let mut points = Vec::new();
        for operation in &self.operations {
            if let Some(alignment) = operation.alignment {
                let (bytes, alignment) = (operation.pages * PAGE, alignment * PAGE);
                let found = match best {
                    true => ram.alloc(bytes, alignment),
                    false => ram.alloc_lowest(bytes, alignment, Span::ALL),
                };
                let grant = match found {
                    Err(MmError::Exhausted) => return None,
                    found => found.expect("enough nodes"),
                };
                let recorded = operation.base..operation.base + operation.pages;
                places.extend(recorded.zip(grant.base / PAGE..));
            } else {
                for page in operation.base..operation.base + operation.pages {
                    let place = places.remove(&page).expect("was granted");
                    ram.free(place * PAGE, PAGE).expect("was granted");
                }
            }
            let usage = ram.usage();
            points.push((usage.fragmentation() as f64 / 10.0, usage.holes));
        }
        Some(points)
    }

    /// The least memory in which it can be played, if it is at most twice its peak.
    fn least(&self, best: bool) -> u64 {
        let peak = self.peak();
        (0..=100)
            .map(|percent| peak + peak * percent / 100)
            .find(|pages| self.play(*pages, best).is_some())
            .unwrap_or(2 * peak)
    }
}

fn panel(trace: &Trace, at: f64, lines: &[Vec<(f64, usize)>; 2]) -> String {
    let width = PANEL - LEFT - 14.0;
    let count = trace.operations.len();
    let y = |percent: f64| TOP + HEIGHT * (1.0 - percent / 100.0);
    let mut out = format!(
        "<text x=\"{at}\" y=\"18\" font-weight=\"600\">{}: free, but not in the largest hole, %</text>\n",
        trace.name
    );
    for step in 0..=4 {
        let percent = f64::from(step) * 25.0;
        out += &format!(
            "<path d=\"M{at} {y:.1}h{width}\" stroke=\"#8884\"/><text x=\"{label}\" y=\"{text:.1}\" text-anchor=\"end\">{percent:.0}</text>\n",
            y = y(percent),
            label = at - 6.0,
            text = y(percent) + 4.0,
        );
        out += &format!(
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
            at + width * percent / 100.0,
            TOP + HEIGHT + 18.0,
            count * step as usize / 4
        );
    }
    for (line, colour) in lines.iter().zip(COLOURS) {
        let chunk = line.len().div_ceil(POINTS).max(1);
        let points: Vec<_> = line
            .chunks(chunk)
            .enumerate()
            .map(|(number, part)| {
                let mean = part.iter().map(|(percent, _)| percent).sum::<f64>() / part.len() as f64;
                let x = at + width * (number * chunk) as f64 / count as f64;
                format!("{x:.1},{:.1}", y(mean))
            })
            .collect();
        out += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n",
            points.join(" ")
        );
    }
    out
}

fn main() -> std::io::Result<()> {
    let traces: Vec<Trace> = std::env::args()
        .skip(1)
        .map(|path| Trace::read(&path))
        .collect::<Result<_, _>>()?;
    let (width, height) = (PANEL * traces.len() as f64 + 14.0, TOP + HEIGHT + 62.0);
    println!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\" \
         font-size=\"11\" fill=\"#777\" role=\"img\" aria-label=\"External fragmentation over recorded traces, best fit and first fit\">"
    );
    for (number, trace) in traces.iter().enumerate() {
        let least = [true, false].map(|best| trace.least(best));
        let pages = least[0].max(least[1]);
        let lines = [true, false].map(|best| trace.play(pages, best).expect("large enough"));
        for ((line, least), name) in lines.iter().zip(least).zip(["best fit", "first fit"]) {
            let holes = line.iter().map(|(_, holes)| *holes).max().unwrap_or(0);
            let mean = line.iter().map(|(percent, _)| percent).sum::<f64>() / line.len() as f64;
            eprintln!(
                "{} | {name} | {} operations, peak {} KiB | needs {} KiB | mean {mean:.1} % | up to {holes} holes",
                trace.name,
                line.len(),
                trace.peak() * 4,
                least * 4,
            );
        }
        println!("{}", panel(trace, number as f64 * PANEL + LEFT, &lines));
    }
    for (number, (name, colour)) in ["best fit", "first fit"].iter().zip(COLOURS).enumerate() {
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
