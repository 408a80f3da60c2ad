//! A walk through DER that knows nothing of X.509: to check in another way what was read in one.

/// One value of DER: all of it, what is in it, and what follows.
pub(super) fn value(der: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (head, size): (usize, &[u8]) = match der {
        [_, size @ ..=0x7f, ..] => (2, std::slice::from_ref(size)),
        [_, 0x81, size, ..] => (3, std::slice::from_ref(size)),
        [_, 0x82, size @ ..] => (4, size.get(..2)?),
        [_, 0x83, size @ ..] => (5, size.get(..3)?),
        _ => return None,
    };
    let size = size
        .iter()
        .fold(0, |size, byte| size << 8 | usize::from(*byte));
    let (whole, rest) = der.split_at_checked(head + size)?;
    Some((whole, &whole[head..], rest))
}

/// What stands in a value, one value after the other.
pub(super) fn values(mut content: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let (whole, _, rest) = value(content)?;
        found.push(whole);
        content = rest;
    }
    Some(found)
}
