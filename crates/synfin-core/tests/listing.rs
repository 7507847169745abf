//! The listing by pages: each page looks at a bounded number of places, also where most are empty.

use std::collections::BTreeSet;

use synfin_core::{
    ConnectOptions, Cursor, DeviceCaps, Filter, Instant, Memory, Stack, StackConfig, State,
};

const OPENED: usize = 20_000;
const LEFT: usize = 100;

#[test]
fn a_table_with_few_flows_is_listed_in_several_pages() {
    let mut stack = Stack::new(StackConfig::default(), Memory::default(), [1; 32]).expect("valid");
    let device = stack.add_device(DeviceCaps::ip(1500));
    assert!(stack.add_address(device, [10, 0, 0, 1].into(), 24));
    let remote = ([10, 0, 0, 2], 80).into();
    let open = |_| stack.connect(Instant::START, remote, ConnectOptions::default());
    let opened: Result<Vec<_>, _> = (0..OPENED).map(open).collect();
    for (n, id) in opened.expect("ports are free").into_iter().enumerate() {
        if n % (OPENED / LEFT) != 0 {
            stack.conn_mut(id).expect("a live handle").abort();
        }
    }
    assert_eq!(stack.totals()[State::SynSent] as usize, LEFT);
    let mut ports = BTreeSet::new();
    let (mut rows, mut pages, mut next) = (0, 0, Some(Cursor::default()));
    while let Some(after) = next {
        let page = stack.connections(after, &Filter::default());
        rows += page.rows.len();
        ports.extend(page.rows.iter().map(|row| row.tuple.local.port()));
        pages += 1;
        next = page.next;
    }
    assert_eq!((rows, ports.len()), (LEFT, LEFT), "each once");
    assert!(pages > 1, "one page does not look at 20,000 places");
}
