//! Keeps what was computed from a model for as long as the model lives.

use shuyuan_model::Decoder;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// One value for each living model. Whoever asks while it is being made waits for it.
pub(super) struct Memo<T> {
    kept: Mutex<Vec<(Weak<Decoder>, Arc<T>)>>,
}

impl<T> Memo<T> {
    pub const fn new() -> Self {
        Self { kept: Mutex::new(Vec::new()) }
    }

    /// The value of `model`, made now if it is not there.
    pub fn get<E>(
        &self,
        model: &Arc<Decoder>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(owner, _)| owner.strong_count() > 0);
        if let Some((_, value)) =
            kept.iter().find(|(owner, _)| std::ptr::eq(owner.as_ptr(), Arc::as_ptr(model)))
        {
            return Ok(value.clone());
        }
        let value = Arc::new(make()?);
        kept.push((Arc::downgrade(model), value.clone()));
        Ok(value)
    }
}
