//! All scenes, in the order of `--list`.

mod attack;
mod closing;
mod http;
mod opening;
mod recovery;
mod silence;
mod time_wait;
mod transfer;
mod trouble;

use super::scene::Scene;

/// The scene that is shown when none is named.
pub(crate) const DEFAULT: &str = "open-close";

/// All scenes.
pub(crate) fn all() -> impl Iterator<Item = &'static Scene> {
    let closing = closing::SCENES;
    [
        opening::SCENES,
        closing,
        trouble::SCENES,
        attack::SCENES,
        silence::SCENES,
        time_wait::SCENES,
        transfer::SCENES,
        recovery::SCENES,
        http::SCENES,
    ]
    .into_iter()
    .flatten()
}

/// The scene of this name.
pub(crate) fn find(name: &str) -> Option<&'static Scene> {
    all().find(|scene| scene.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_what_comes_next_exists() {
        let mut names: Vec<&str> = all().map(|scene| scene.name).collect();
        for scene in all() {
            assert!((1..=3).contains(&scene.look.len()), "{}", scene.name);
            for line in scene.look.iter().chain([&scene.title]) {
                assert!(line.len() <= 79, "{}: {line}", scene.name);
            }
            for next in scene.next {
                let name = next.split(' ').next().expect("a first word");
                assert!(names.contains(&name), "{}: {next}", scene.name);
                assert!(next.len() <= 60, "{}: {next}", scene.name);
            }
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(find(DEFAULT).is_some());
    }
}
