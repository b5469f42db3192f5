//! The nearest of many vectors: by signs for a first choice, by 8-bit numbers for the order.
//!
//! Both loops are plain and compiled for each instruction set: the compiler finds `vpopcntq` and `vpmaddwd` by itself.
//! 2026-11-28, Zen 4, one thread, 384 dimensions: see `docs/LOG.md`.

/// Rows of signs that lie together: word `j` of eight rows, then word `j + 1` of the eight.
pub const SIGN_ROWS: usize = 8;

/// Writes a function once and compiles it for AVX-512, AVX2 and as it is.
macro_rules! for_each_level {
    ($(#[$doc:meta])* pub fn $name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)? { $body:expr }) => {
        $(#[$doc])*
        pub fn $name($($arg: $type),*) $(-> $out)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $out)? {
                $body
            }
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx512vpopcntdq,popcnt")]
                fn avx512($($arg: $type),*) $(-> $out)? {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2,popcnt")]
                fn avx2($($arg: $type),*) $(-> $out)? {
                    body($($arg),*)
                }
                if is_x86_feature_detected!("avx512vpopcntdq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                {
                    // SAFETY: the processor has what the function was compiled for.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
                    // SAFETY: the processor has what the function was compiled for.
                    return unsafe { avx2($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}

/// Words of 64 signs that a row of `dimensions` takes.
pub fn sign_words(dimensions: usize) -> usize {
    dimensions.div_ceil(64)
}

/// Puts the signs of `row` (1 where it is above 0) into `to`, as row `lane` of eight; the other rows stay.
///
/// Shapes: `row` (D), `to` (words, [`SIGN_ROWS`]).
pub fn put_signs(row: impl Iterator<Item = bool>, lane: usize, to: &mut [u64]) {
    for (index, above) in row.enumerate() {
        to[index / 64 * SIGN_ROWS + lane] |= u64::from(above) << (index % 64);
    }
}

for_each_level! {
    /// How many signs of each row differ from the query's.
    ///
    /// Shapes: `query` (words), `rows` (N / 8, words, 8), `out` (N). Panics if they do not fit each other.
    pub fn sign_distances(query: &[u64], rows: &[u64], out: &mut [u16]) {
        {
            assert_eq!(out.len() % SIGN_ROWS, 0);
            assert_eq!(rows.len(), out.len() * query.len());
            if query.is_empty() {
                return out.fill(0);
            }
            for (rows, out) in rows.chunks_exact(SIGN_ROWS * query.len()).zip(out.chunks_exact_mut(SIGN_ROWS)) {
                let mut sum = [0u64; SIGN_ROWS];
                for (word, query) in rows.chunks_exact(SIGN_ROWS).zip(query) {
                    for lane in 0..SIGN_ROWS {
                        sum[lane] += u64::from((word[lane] ^ query).count_ones());
                    }
                }
                for lane in 0..SIGN_ROWS {
                    out[lane] = sum[lane] as u16;
                }
            }
        }
    }
}

for_each_level! {
    /// The product of a query in 16 bits and a row in 8. The sum must stay below 2³¹: |query| < 2¹² and D < 4,096 will do.
    ///
    /// Shapes: both (D). Panics if they do not fit each other.
    pub fn dot_i16_i8(query: &[i16], row: &[i8]) -> i32 {
        {
            assert_eq!(query.len(), row.len());
            let mut sum = 0i32;
            for (&a, &b) in query.iter().zip(row) {
                sum = sum.wrapping_add(i32::from(a) * i32::from(i16::from(b)));
            }
            sum
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(n: usize, seed: u64) -> Vec<u64> {
        let mut state = seed;
        let mut step = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ state >> 29
        };
        (0..n).map(|_| step()).collect()
    }

    #[test]
    fn signs_are_counted_as_bit_by_bit() {
        for dimensions in [1, 63, 64, 65, 384, 1000] {
            let rows = 24;
            let all: Vec<Vec<bool>> = (0..=rows)
                .map(|row| random(dimensions, row as u64 + 1).iter().map(|x| x >> 40 & 1 == 1).collect())
                .collect();
            let words = sign_words(dimensions);
            let mut packed = vec![0; rows * words];
            for (index, row) in all[..rows].iter().enumerate() {
                let block = &mut packed[index / SIGN_ROWS * SIGN_ROWS * words..][..SIGN_ROWS * words];
                put_signs(row.iter().copied(), index % SIGN_ROWS, block);
            }
            let mut lone = vec![0; SIGN_ROWS * words];
            put_signs(all[rows].iter().copied(), 0, &mut lone);
            let query: Vec<u64> = lone.iter().step_by(SIGN_ROWS).copied().collect();
            let mut out = vec![0; rows];
            sign_distances(&query, &packed, &mut out);
            for (row, &distance) in all.iter().zip(&out) {
                let differ = row.iter().zip(&all[rows]).filter(|(a, b)| a != b).count();
                assert_eq!(usize::from(distance), differ);
            }
        }
    }

    #[test]
    fn products_are_exact() {
        for n in [0, 1, 15, 16, 31, 64, 100, 384, 4095] {
            let query: Vec<i16> = random(n, 3).iter().map(|x| (x >> 51) as i16 - 4095).collect();
            let row: Vec<i8> = random(n, 4).iter().map(|x| (x >> 56) as i8).collect();
            let exact: i64 = query.iter().zip(&row).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum();
            assert_eq!(i64::from(dot_i16_i8(&query, &row)), exact);
        }
    }
}
