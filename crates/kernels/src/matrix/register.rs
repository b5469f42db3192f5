//! What a product of packed weights needs of an instruction set: rows of a group side by side, four columns at a time.

/// As many rows of a group as a register holds four bytes of.
pub(crate) trait Register {
    /// Rows: 16 or 8.
    const ROWS: usize;
    /// Whether [`Register::dot`] takes weights of 8 bits for what they are above 128.
    const SIGNED: bool;
    /// Four bytes of each row, or an integer of each.
    type W: Copy;
    /// Sums of products on their way to integers.
    type P: Copy;
    /// An f32 of each row.
    type F: Copy;

    /// Columns whose products with weights of `bits` bits fit into a [`Register::P`], in fours.
    fn words(bits: u32) -> u32;
    /// # Safety
    /// Four bytes of each row at `p`.
    unsafe fn bytes(p: *const u8) -> Self::W;
    /// Of each byte the low four bits.
    fn low(w: Self::W) -> Self::W;
    /// Of each byte the high four bits, moved down.
    fn high(w: Self::W) -> Self::W;
    /// Of each byte the `count` bits from bit `from`, moved to bit `to`. 8 bits in all.
    fn bits<const FROM: u32, const COUNT: u32, const TO: u32>(w: Self::W) -> Self::W;
    fn or(a: Self::W, b: Self::W) -> Self::W;
    /// The entry of `table` for each byte, which is below 16.
    fn look_up(w: Self::W, table: &[u8; 16]) -> Self::W;
    /// For every row the integer at `p`, times 2^`SHIFT`.
    ///
    /// # Safety
    /// An i32 at `p`.
    unsafe fn shifted<const SHIFT: u32>(p: *const i32) -> Self::W;
    fn zero() -> Self::W;
    /// Begins to sum what is to be added to `integers`.
    fn open(integers: Self::W) -> Self::P;
    /// Adds the products of each row's four bytes, unsigned, with the four signed ones at `x`, none of which is -128.
    ///
    /// # Safety
    /// Four bytes at `x`.
    unsafe fn dot<const BITS: u32>(sum: Self::P, w: Self::W, x: *const i8) -> Self::P;
    /// `integers` with what was added by as many bits since [`Register::open`] was given them.
    fn close<const BITS: u32>(integers: Self::W, sum: Self::P) -> Self::W;
    /// The integers as f32.
    fn to_f32(integers: Self::W) -> Self::F;
    /// # Safety
    /// An f16 of each row at `p`.
    unsafe fn f16(p: *const u8) -> Self::F;
    /// # Safety
    /// An i8 of each row at `p`.
    unsafe fn i8(p: *const u8) -> Self::F;
    /// # Safety
    /// A u8 of each row at `p`.
    unsafe fn u8(p: *const u8) -> Self::F;
    /// The same f32 for every row.
    fn all(x: f32) -> Self::F;
    /// # Safety
    /// An f32 of each row at `p`.
    unsafe fn read(p: *const f32) -> Self::F;
    /// # Safety
    /// An f32 of each row at `p`.
    unsafe fn write(p: *mut f32, x: Self::F);
    fn plus(a: Self::F, b: Self::F) -> Self::F;
    fn times(a: Self::F, b: Self::F) -> Self::F;
    /// a · b + c, rounded once where the hardware can.
    fn times_plus(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// Fetches the line at `p` into the second-level cache; it may be anywhere. Into the first, lines wait in the few buffers
    /// that loads need (2026-11-27, Zen 4, one core, Q8_0: 12.4 GB/s, as without; into the second 17.6).
    fn prefetch(p: *const u8);
}
