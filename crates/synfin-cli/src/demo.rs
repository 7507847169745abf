//! `synfin demo`: a scene on the simulator, shown as a ladder.

mod attack;
mod http;
mod million;
mod program;
mod run;
mod scene;
mod scenes;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};

use synfin_trace::{Conversation, Style, Timeline, json_lines, ladder, pcapng, svg};

use crate::args::DemoArgs;
use crate::failure::Failure;
pub(crate) use million::MOST as CONNECTIONS_MAX;
use scene::Scene;
pub(crate) use scenes::DEFAULT;

/// Carries out the command.
pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    if args.list {
        return list();
    }
    if args.scene == million::NAME {
        return million::run(args);
    }
    let scene = scenes::find(&args.scene).ok_or_else(|| unknown(&args.scene))?;
    if args.connections.is_some() {
        let text = format!("--connections is for `demo {}`", million::NAME);
        return Err(Failure::Usage(text));
    }
    let timeline = run::run(scene, &run::Settings::of(scene, args));
    if let Some(path) = &args.svg {
        let picture = svg(&timeline);
        std::fs::write(path, picture).map_err(|error| Failure::with_file("write", path, &error))?;
    }
    if let Some(path) = &args.pcap {
        let file = File::create(path);
        let file = file.map_err(|error| Failure::with_file("create", path, &error))?;
        let written = pcapng(&timeline, BufWriter::new(file));
        written.map_err(|error| Failure::with_file("write to", path, &error))?;
    }
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let text = if args.json {
        json_lines(&timeline)
    } else {
        page(
            scene,
            &timeline,
            Style {
                colour,
                unfolded: args.full,
            },
        )
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// The scene as a page: what it is, the ladder, what the applications saw, where to go on.
fn page(scene: &Scene, timeline: &Timeline, style: Style) -> String {
    let mut page = format!("\n {}: {}\n\n", scene.name, scene.title);
    for line in scene.look {
        page += &format!(" {line}\n");
    }
    page.push('\n');
    page += &ladder(timeline, style);
    let notes = run::notes(timeline);
    // With one ladder they stand in it.
    if !notes.is_empty() && Conversation::all(timeline).len() > 1 {
        page += "\n What the applications saw:\n";
        for note in notes {
            page += &format!("   {note}\n");
        }
    }
    page += "\n Try next:\n";
    for next in scene.next {
        page += &format!("   synfin demo {next}\n");
    }
    page
}

/// All that can be shown, with titles.
fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let ladders = scenes::all().map(|scene| (scene.name, scene.title));
    ladders.chain([(million::NAME, million::TITLE)])
}

fn list() -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for (name, title) in names() {
        writeln!(out, "{name:<24}{title}")?;
    }
    Ok(())
}

fn unknown(name: &str) -> Failure {
    let mut text = format!("there is no scene {name:?}. These are:");
    for (name, title) in names() {
        text += &format!("\n  {name:<24}{title}");
    }
    Failure::Usage(text)
}
