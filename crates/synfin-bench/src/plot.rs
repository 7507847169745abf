//! Rows as pictures: memory and rates against the number of connections.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use plotters::prelude::*;

use crate::report::Row;

/// What becomes of a work's rows: the key along the bottom.
fn abscissa(work: &str) -> Option<(&'static str, &'static str)> {
    match work {
        "churn" => Some(("in_flight", "connections in flight")),
        "idle" | "timewait" | "active" => Some(("n", "connections")),
        "bulk" => Some(("flows", "flows")),
        "synflood" | "latency" => Some(("standing", "standing connections")),
        _ => None,
    }
}

type Points = Vec<(f64, f64)>;

/// Draws the rows of each work into `dir`, as `WORK.svg`.
pub(crate) fn draw(dir: &Path, rows: &[Row]) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let mut works: Vec<&str> = rows.iter().map(|row| row.work).collect();
    works.dedup();
    for work in works {
        let Some((key, caption)) = abscissa(work) else {
            continue;
        };
        let rows: Vec<&Row> = rows.iter().filter(|row| row.work == work).collect();
        let unit = rows[0].unit;
        let svg = picture(&format!("{work}, {unit}"), caption, &lines(&rows, key))
            .map_err(|error| io::Error::other(error.to_string()))?;
        let path = dir.join(format!("{work}.svg"));
        std::fs::write(&path, svg)?;
        eprintln!("{work}: {}", path.display());
    }
    Ok(())
}

/// One line per stack and whatever else the rows differ in.
fn lines(rows: &[&Row], key: &str) -> BTreeMap<String, Points> {
    let mut lines: BTreeMap<String, Points> = BTreeMap::new();
    for row in rows {
        let differs = |(name, value): &(&String, &serde_json::Value)| {
            *name != key
                && rows
                    .iter()
                    .any(|other| other.param.get(*name) != Some(*value))
        };
        let others = row.param.iter().filter(differs);
        let others = others.map(|(name, value)| format!(" {name} {value}"));
        let name = others.fold(row.stack.to_owned(), |name, other| name + &other);
        let x = row.param.get(key).and_then(serde_json::Value::as_f64);
        lines
            .entry(name)
            .or_default()
            .push((x.unwrap_or(0.0), row.value));
    }
    for points in lines.values_mut() {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    lines
}

/// Both axes are logarithmic: what there is to see are orders of magnitude.
fn picture(
    title: &str,
    caption: &str,
    lines: &BTreeMap<String, Points>,
) -> Result<String, Box<dyn std::error::Error>> {
    let points = || lines.values().flatten();
    let range = |of: fn(&(f64, f64)) -> f64| {
        let least = points().map(of).fold(f64::MAX, f64::min).max(0.1);
        let most = points().map(of).fold(least, f64::max);
        (least / 1.5)..(most * 1.5)
    };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (800, 500)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(80)
            .build_cartesian_2d(range(|p| p.0).log_scale(), range(|p| p.1).log_scale())?;
        chart.configure_mesh().x_desc(caption).draw()?;
        for (n, (name, points)) in lines.iter().enumerate() {
            let color = Palette99::pick(n).to_rgba();
            let line = LineSeries::new(points.iter().copied(), color.stroke_width(2)).point_size(3);
            chart
                .draw_series(line)?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
        }
        chart
            .configure_series_labels()
            .border_style(BLACK)
            .background_style(WHITE)
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::map;

    fn row(stack: &'static str, n: u32, family: u32, value: f64) -> Row {
        Row {
            stack,
            work: "idle",
            param: map([("n", n.into()), ("family", family.into())]),
            value,
            unit: "B",
            extra: map([]),
        }
    }

    #[test]
    fn a_line_is_of_one_stack_and_whatever_differs() {
        let rows = [
            row("synfin", 100, 4, 300.0),
            row("synfin", 10, 4, 400.0),
            row("synfin", 10, 6, 450.0),
            row("smoltcp", 10, 4, 1660.0),
        ];
        let rows: Vec<&Row> = rows.iter().collect();
        let lines = lines(&rows, "n");
        let names: Vec<&str> = lines.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["smoltcp family 4", "synfin family 4", "synfin family 6"]
        );
        assert_eq!(lines["synfin family 4"], [(10.0, 400.0), (100.0, 300.0)]);
        let svg = picture("idle, B", "connections", &lines).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for name in names {
            assert!(svg.contains(name), "{name}");
        }
        // A circle a point.
        assert_eq!(svg.matches("<circle").count(), 4);
    }
}
