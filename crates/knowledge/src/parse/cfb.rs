//! The compound files of older office programs, as far as it takes to tell what one holds and to take a stream out. Bounded
//! by the file's own length: a chain that runs in circles ends.

const NONE: u32 = 0xffff_fffa;

/// A compound file.
pub(crate) struct Cfb<'a> {
    bytes: &'a [u8],
    sector: usize,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    mini: Vec<u8>,
    entries: Vec<Entry>,
}

struct Entry {
    name: String,
    start: u32,
    len: usize,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

impl<'a> Cfb<'a> {
    /// Opens one; `None` if it is damaged.
    pub(crate) fn open(bytes: &'a [u8]) -> Option<Self> {
        let sector = match u16_at(bytes, 30)? {
            9 => 512,
            12 => 4096,
            _ => return None,
        };
        let mut cfb = Self {
            bytes,
            sector,
            fat: Vec::new(),
            mini_fat: Vec::new(),
            mini: Vec::new(),
            entries: Vec::new(),
        };
        // Where the allocation table's own sectors are: 109 in the header, more in a chain.
        let most = bytes.len() / sector + 1;
        let mut tables: Vec<u32> = (0..109).filter_map(|index| u32_at(bytes, 76 + 4 * index)).collect();
        let mut next = u32_at(bytes, 68)?;
        let mut steps = 0;
        while next < NONE && steps < most {
            let sector = cfb.at(next)?;
            let (last, entries) =
                sector.split_last_chunk::<4>().map(|(rest, last)| (u32::from_le_bytes(*last), rest))?;
            tables.extend(words(entries));
            next = last;
            steps += 1;
        }
        for table in tables.into_iter().filter(|&table| table < NONE).take(most) {
            let Some(sector) = cfb.at(table) else { continue };
            let sector: Vec<u32> = words(sector).collect();
            cfb.fat.extend(sector);
        }
        let directory = cfb.chain(u32_at(bytes, 48)?, usize::MAX);
        for entry in directory.chunks_exact(128) {
            let name: Vec<u16> = (0..usize::from(u16_at(entry, 64)?.min(64) / 2).saturating_sub(1))
                .filter_map(|index| u16_at(entry, 2 * index))
                .collect();
            let len = u32_at(entry, 120)? as usize;
            cfb.entries.push(Entry {
                name: String::from_utf16_lossy(&name),
                start: u32_at(entry, 116)?,
                len,
            });
        }
        let root = cfb.entries.first()?;
        cfb.mini = cfb.chain(root.start, root.len);
        let mini_fat = cfb.chain(u32_at(bytes, 60)?, usize::MAX);
        cfb.mini_fat = words(&mini_fat).collect();
        Some(cfb)
    }

    /// Whether it holds a stream or a folder of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name.eq_ignore_ascii_case(name))
    }

    /// A stream.
    pub(crate) fn stream(&self, name: &str) -> Option<Vec<u8>> {
        let entry = self.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(name))?;
        if entry.len >= 4096 {
            return Some(self.chain(entry.start, entry.len));
        }
        let mut out = Vec::new();
        let mut next = entry.start;
        while next < NONE && out.len() < entry.len {
            let at = next as usize * 64;
            out.extend_from_slice(self.mini.get(at..(at + 64).min(self.mini.len()))?);
            next = *self.mini_fat.get(next as usize)?;
        }
        out.truncate(entry.len);
        Some(out)
    }

    fn at(&self, sector: u32) -> Option<&'a [u8]> {
        let begin = (sector as usize + 1).checked_mul(self.sector)?;
        self.bytes.get(begin..(begin + self.sector).min(self.bytes.len()))
    }

    fn chain(&self, mut next: u32, len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while next < NONE && out.len() < len.min(self.bytes.len()) {
            let Some(sector) = self.at(next) else { break };
            out.extend_from_slice(sector);
            next = self.fat.get(next as usize).copied().unwrap_or(NONE);
        }
        out.truncate(len);
        out
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}
