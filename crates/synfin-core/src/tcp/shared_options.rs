//! Options that connections have in common: most have the stack's, and of the others most have
//! those of their listener, or all set the same. A connection keeps an octet that says which.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::config::{SocketOptions, StackConfig};
use crate::tcp::connection::{Connection, Context};
use crate::tcp::user_timeout::Settings;

/// Which options a connection has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OptionSet(u8);

impl OptionSet {
    /// Those of the stack.
    pub(crate) const DEFAULT: Self = Self(0);
    /// Its own, among what is rare.
    const OWN: Self = Self(u8::MAX);
}

/// So many different sets are kept in common. Later ones are each connection's own.
const SETS_MAX: usize = u8::MAX as usize - 1;

/// One copy of each set for all connections, in the order in which they were first asked for.
#[derive(Debug, Default)]
pub(crate) struct SharedOptions(Vec<SocketOptions>);

impl SharedOptions {
    /// The number of a set, of which there are few; `None` if it has to be the connection's own.
    pub(crate) fn find(
        &mut self,
        options: &SocketOptions,
        config: &StackConfig,
    ) -> Option<OptionSet> {
        if *options == config.socket {
            return Some(OptionSet::DEFAULT);
        }
        let known = self.0.iter().position(|known| known == options);
        let place = match known {
            Some(place) => place,
            None if self.0.len() < SETS_MAX => {
                self.0.push(*options);
                self.0.len() - 1
            }
            None => return None,
        };
        u8::try_from(place + 1).ok().map(OptionSet)
    }

    fn get(&self, set: OptionSet) -> Option<&SocketOptions> {
        self.0.get(usize::from(set.0).checked_sub(1)?)
    }
}

impl Connection {
    /// The options that are in effect.
    pub(crate) fn options<'a>(&'a self, cx: &'a Context) -> &'a SocketOptions {
        match self.settings() {
            Some(settings) => settings.in_effect(),
            None => self.common_options(cx),
        }
    }

    /// The options as the application has set them, without what the peer's user timeout changes.
    pub(crate) fn asked_options<'a>(&'a self, cx: &'a Context) -> &'a SocketOptions {
        match self.settings() {
            Some(settings) => settings.asked(),
            None => self.common_options(cx),
        }
    }

    fn common_options<'a>(&self, cx: &'a Context) -> &'a SocketOptions {
        let shared = cx.shared_options.get(self.cold.options);
        shared.unwrap_or(&cx.config.socket)
    }

    /// Options that are its own.
    pub(crate) fn settings(&self) -> Option<&Settings> {
        if self.cold.options != OptionSet::OWN {
            return None;
        }
        self.cold.rare_so_far().settings.as_deref()
    }

    pub(crate) fn settings_mut(&mut self) -> Option<&mut Settings> {
        if self.cold.options != OptionSet::OWN {
            return None;
        }
        self.cold.rare_if_any()?.settings.as_deref_mut()
    }

    /// Has these options from here on, in common with others where that is possible.
    pub(crate) fn use_options(&mut self, cx: &mut Context, options: SocketOptions) {
        match cx.shared_options.find(&options, &cx.config) {
            Some(set) => {
                self.cold.options = set;
                if let Some(rare) = self.cold.rare_if_any() {
                    rare.settings = None;
                }
            }
            None => self.use_own(Settings::new(options)),
        }
    }

    pub(crate) fn use_own(&mut self, settings: Settings) {
        self.cold.options = OptionSet::OWN;
        self.cold.rare().settings = Some(Box::new(settings));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_lowat(octets: u32) -> SocketOptions {
        SocketOptions {
            notsent_lowat: Some(octets),
            ..SocketOptions::default()
        }
    }

    #[test]
    fn equal_options_are_one_set_until_there_are_too_many() {
        let config = StackConfig::default();
        let mut shared = SharedOptions::default();
        assert_eq!(
            shared.find(&config.socket, &config),
            Some(OptionSet::DEFAULT)
        );
        let sets: Vec<_> = (0..SETS_MAX as u32)
            .map(|n| shared.find(&with_lowat(n), &config).expect("there is room"))
            .collect();
        assert!(!sets.contains(&OptionSet::DEFAULT) && !sets.contains(&OptionSet::OWN));
        for (n, set) in sets.iter().enumerate() {
            assert_eq!(shared.find(&with_lowat(n as u32), &config), Some(*set));
            assert_eq!(shared.get(*set), Some(&with_lowat(n as u32)));
        }
        assert_eq!(shared.find(&with_lowat(SETS_MAX as u32), &config), None);
        assert_eq!(shared.get(OptionSet::DEFAULT), None);
        assert_eq!(shared.get(OptionSet::OWN), None);
    }
}
