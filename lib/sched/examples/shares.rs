//! Draws what `platforms/qemu-virt/shares.menu` prints as SVG for the book: the arguments are console logs, one panel each.
//!
//! A line of the log is `shares: MICROSECONDS COUNT COUNT COUNT COUNT`: how far the four programs have counted. What one counts in a
//! step, divided by what one alone would, is its share of the core.
#![expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a tool for developers may stop at the first surprise"
)]

const WIDTH: f64 = 620.0;
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 46.0;
const TOP: f64 = 30.0;
const PANEL: f64 = TOP + HEIGHT + 44.0;
/// Least milliseconds from line to line.
const STEP: f64 = 10.0;
const PROGRAMS: [(&str, &str); 4] = [
    ("weight 1", "#9cc3e6"),
    ("weight 2", "#3b82c4"),
    ("weight 4", "#1d4e7e"),
    ("6 ms in each 20 ms", "#dd7a1c"),
];

/// One log.
struct Run {
    scheduler: String,
    /// Counts a millisecond of who is alone.
    rate: f64,
    /// Time in milliseconds, and the counts.
    lines: Vec<(f64, [f64; 4])>,
    /// Jobs of the last program that were late, and all.
    late: (String, String),
}

fn read(text: &str) -> Run {
    let mut run = Run {
        scheduler: String::new(),
        rate: 1.0,
        lines: Vec::new(),
        late: Default::default(),
    };
    for line in text.lines() {
        let Some((_, line)) = line.split_once("shares: ") else {
            continue;
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["scheduler", name, rate, ..] => {
                run.scheduler = name.trim_end_matches(',').into();
                run.rate = rate.parse().expect("a rate");
            }
            [late, "of", jobs, "jobs", ..] => run.late = (late.into(), jobs.into()),
            [at, a, b, c, d] => {
                let number = |word: &str| word.parse::<f64>().expect("a number");
                let at = number(at) / 1000.0;
                // Under round robin who prints is kept from it, and then prints several lines at once.
                if run.lines.last().is_none_or(|(last, _)| at - last > STEP) {
                    run.lines.push((at, [a, b, c, d].map(number)));
                }
            }
            _ => {}
        }
    }
    assert!(run.lines.len() > 2, "the log has no `shares:` lines");
    run
}

fn panel(run: &Run, top: f64) -> String {
    let end = run.lines.last().map_or(1.0, |(at, _)| *at);
    let x = |at: f64| LEFT + at / end * (WIDTH - LEFT - 10.0);
    let y = |share: f64| top + TOP + HEIGHT * (1.0 - share.clamp(0.0, 1.0));
    let name = match run.scheduler.as_str() {
        "rr" => "round robin",
        name => &name.to_uppercase(),
    };
    let (late, jobs) = &run.late;
    let mut out = format!(
        "<text x=\"{LEFT}\" y=\"{:.0}\" font-weight=\"600\">{name}: {late} of {jobs} jobs late</text>\n",
        top + 18.0
    );
    let mut floors = vec![0.0; run.lines.len()];
    for (program, (_, colour)) in PROGRAMS.iter().enumerate() {
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        for (step, pair) in run.lines.windows(2).enumerate() {
            let ((from, before), (to, after)) = (pair[0], pair[1]);
            let share = (after[program] - before[program]) / run.rate / (to - from);
            let floor = floors[step];
            floors[step] += share;
            for at in [from, to] {
                lower.push(format!("{:.1},{:.1}", x(at), y(floor)));
                upper.push(format!("{:.1},{:.1}", x(at), y(floor + share)));
            }
        }
        lower.reverse();
        out += &format!(
            "<polygon points=\"{} {}\" fill=\"{colour}\"/>\n",
            upper.join(" "),
            lower.join(" ")
        );
    }
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        out += &format!(
            "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#8884\"/><text x=\"{label}\" y=\"{text:.1}\" text-anchor=\"end\">{percent:.0} %</text>\n",
            y = y(share),
            right = WIDTH - 10.0,
            label = LEFT - 6.0,
            text = y(share) + 4.0,
            percent = share * 100.0,
        );
    }
    let mut at = 0.0;
    while at <= end {
        out += &format!(
            "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{at:.0} ms</text>\n",
            x(at),
            top + TOP + HEIGHT + 18.0
        );
        at += 200.0;
    }
    out
}

fn main() {
    let runs: Vec<Run> = std::env::args()
        .skip(1)
        .map(|file| {
            read(&String::from_utf8_lossy(
                &std::fs::read(&file).expect("a readable log"),
            ))
        })
        .collect();
    let height = PANEL * runs.len() as f64 + 26.0;
    println!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#888\">"
    );
    for (index, run) in runs.iter().enumerate() {
        print!("{}", panel(run, PANEL * index as f64));
    }
    for (index, (name, colour)) in PROGRAMS.iter().enumerate() {
        let x = LEFT + 130.0 * index as f64;
        println!(
            "<rect x=\"{x}\" y=\"{:.0}\" width=\"11\" height=\"11\" fill=\"{colour}\"/><text x=\"{}\" y=\"{:.0}\">{name}</text>",
            height - 20.0,
            x + 17.0,
            height - 10.0
        );
    }
    println!("</svg>");
}
