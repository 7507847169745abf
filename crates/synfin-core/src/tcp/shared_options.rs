//! Options that connections have in common: most have the stack's, and of the others most have
//! those of their listener, or all set the same.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use crate::config::SocketOptions;
use crate::tcp::user_timeout::Settings;

/// The sets that were last asked for; as many are looked at.
const KEPT: usize = 16;

/// One copy of each set for all connections.
#[derive(Debug, Default)]
pub(crate) struct SharedOptions(VecDeque<Arc<Settings>>);

impl SharedOptions {
    pub(crate) fn of(&mut self, options: SocketOptions) -> Arc<Settings> {
        let known = self.0.iter().find(|known| *known.asked() == options);
        if let Some(known) = known {
            return Arc::clone(known);
        }
        self.0.truncate(KEPT - 1);
        let settings = Arc::new(Settings::new(options));
        self.0.push_front(Arc::clone(&settings));
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_ttl(ttl: u8) -> SocketOptions {
        SocketOptions {
            ttl,
            ..SocketOptions::default()
        }
    }

    #[test]
    fn equal_options_are_one_copy() {
        let mut shared = SharedOptions::default();
        let first = shared.of(with_ttl(1));
        for ttl in 2..=KEPT as u8 {
            assert!(!Arc::ptr_eq(&first, &shared.of(with_ttl(ttl))));
        }
        assert!(Arc::ptr_eq(&first, &shared.of(with_ttl(1))));
        assert_eq!(first.in_effect().ttl, 1);
        // One more: the oldest is forgotten, and whoever has it keeps it.
        shared.of(with_ttl(100));
        assert!(!Arc::ptr_eq(&first, &shared.of(with_ttl(1))));
        assert_eq!(Arc::strong_count(&first), 1);
        assert_eq!(shared.0.len(), KEPT);
    }
}
