//! Where tensors live and are worked with.

use burn::tensor::{DType, Device};

/// The CPU, without gradients: for generation and evaluation.
pub fn cpu() -> Device {
    Device::flex()
}

/// The CPU, recording what gradients need: for training.
pub fn cpu_autodiff() -> Device {
    Device::flex().autodiff()
}

/// What [`device`] takes, with the features that build them in, before any number.
const GPUS: [(&str, bool); 5] = [
    ("cuda", cfg!(feature = "cuda")),
    ("rocm", cfg!(feature = "rocm")),
    ("metal", cfg!(feature = "metal")),
    ("vulkan", cfg!(feature = "vulkan")),
    ("webgpu", cfg!(feature = "webgpu")),
];

/// The kinds of devices that this program was built with.
pub fn devices() -> Vec<&'static str> {
    ["cpu"].into_iter().chain(GPUS.iter().filter(|(_, built)| *built).map(|(kind, _)| *kind)).collect()
}

/// The device of a name, without gradients: "cpu", or "cuda", "rocm", "metal", "vulkan", "webgpu", each with a number
/// where there are several, as "cuda:1". The last three also take ":cpu", for a driver that computes on the processor.
///
/// # Errors
/// A name that nobody knows, a kind that this program was built without, or one that does not start: what there is.
pub fn device(name: &str) -> Result<Device, String> {
    let (kind, which) = name.split_once(':').map_or((name, None), |(kind, which)| (kind, Some(which)));
    let there = devices().join(", ");
    let by_number = matches!(kind, "cuda" | "rocm");
    let which = match (which, which.map(str::parse::<usize>)) {
        (None, _) => Which::Any,
        (_, Some(Ok(number))) if kind != "cpu" => Which::Number(number),
        (Some("cpu"), _) if kind != "cpu" && !by_number => Which::Cpu,
        _ => return Err(format!("device {name:?}: expected a kind and a number, as cuda:1")),
    };
    if kind == "cpu" {
        return Ok(cpu());
    }
    match GPUS.iter().find(|(known, _)| *known == kind) {
        None => Err(format!("device {name:?} is unknown; this program has {there}")),
        Some((_, false)) => Err(format!(
            "device {name:?}: this program was built without it and has {there}; build it in with \
             cargo build --release --features {kind}"
        )),
        Some((_, true)) => open(name, kind, which),
    }
}

/// The devices of a list of names, as "cuda:0,cuda:1": one, or several cards.
///
/// # Errors
/// What [`device`] says; a card that is named twice; the CPU among several.
pub fn device_list(names: &str) -> Result<Vec<Device>, String> {
    let devices = names.split(',').map(|name| device(name.trim())).collect::<Result<Vec<_>, _>>()?;
    if devices.len() > 1 && devices.iter().any(is_cpu) {
        return Err(format!(
            "devices {names:?}: expected cards alone, found the CPU; its share would be waited for"
        ));
    }
    for (nth, one) in devices.iter().enumerate() {
        if devices[..nth].contains(one) {
            return Err(format!("devices {names:?}: one card is named twice"));
        }
    }
    Ok(devices)
}

/// One of several devices of a kind.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "nothing is built in that could be chosen"))]
enum Which {
    Any,
    Number(usize),
    Cpu,
}

#[cfg(not(feature = "gpu"))]
fn open(_: &str, kind: &str, _: Which) -> Result<Device, String> {
    unreachable!("{kind} is not built in")
}

/// Drivers that are missing show up as panics at the first touch, on threads of their own: here, so that they become errors.
#[cfg(feature = "gpu")]
fn open(name: &str, kind: &str, which: Which) -> Result<Device, String> {
    use burn::tensor::Tensor;
    use std::sync::{Arc, Mutex, PoisonError};
    let first = Arc::new(Mutex::new(None));
    let heard = first.clone();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        heard.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| panic.to_string());
    }));
    let made = std::panic::catch_unwind(|| {
        let device = make(kind, which);
        // The first use starts the driver.
        let sum = crate::take(Tensor::<1>::ones([4], &device).sum());
        (sum == [4.0]).then_some(device)
    });
    std::panic::set_hook(hook);
    let reason = first.lock().unwrap_or_else(PoisonError::into_inner).take();
    match made {
        Ok(Some(device)) => Ok(device),
        _ => {
            let reason = reason.unwrap_or_else(|| "four ones did not add up to four".into());
            Err(format!("device {name}: it does not start; is there one, with its driver? ({reason})"))
        }
    }
}

#[cfg(feature = "gpu")]
fn make(kind: &str, which: Which) -> Device {
    #[cfg(any(feature = "metal", feature = "vulkan", feature = "webgpu"))]
    let card = {
        use burn::tensor::DeviceKind;
        match which {
            Which::Any => DeviceKind::DefaultDevice,
            Which::Number(number) => DeviceKind::DiscreteGpu(number),
            Which::Cpu => DeviceKind::Cpu,
        }
    };
    #[cfg(any(feature = "cuda", feature = "rocm"))]
    let number = if let Which::Number(number) = which { number } else { 0 };
    match kind {
        #[cfg(feature = "cuda")]
        "cuda" => Device::cuda(number),
        #[cfg(feature = "rocm")]
        "rocm" => Device::rocm(number),
        #[cfg(feature = "metal")]
        "metal" => Device::metal(card),
        #[cfg(feature = "vulkan")]
        "vulkan" => Device::vulkan(card),
        // Burn's own `webgpu` is the browser's; this is wgpu's choice among the drivers that are there.
        #[cfg(feature = "webgpu")]
        "webgpu" => Device::wgpu(card),
        _ => unreachable!("{kind} is not built in"),
    }
}

/// Whether tensors of `device` lie in this process's memory, where the kernels work.
pub fn is_cpu(device: &Device) -> bool {
    !cfg!(feature = "gpu") || *device == Device::flex()
}

/// Whether `device` multiplies numbers in bf16; the CPU does in any case, by kernels of our own.
pub fn has_bf16(device: &Device) -> bool {
    is_cpu(device) || device.supports_dtype(DType::BF16)
}

/// What a person calls the device.
pub fn device_name(device: &Device) -> String {
    if is_cpu(device) {
        return crate::Hardware::detect().cpu;
    }
    #[cfg(feature = "gpu")]
    if let Some(identity) = device.identity() {
        return identity.name;
    }
    format!("{device:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_devices_are_named() {
        assert!(is_cpu(&device("cpu").unwrap()));
        for (name, named) in
            [("tpu", "unknown"), ("cuda:x", "a number"), ("cuda:cpu", "a number"), ("cpu:1", "a number")]
        {
            let error = device(name).unwrap_err();
            assert!(error.contains(name) && error.contains(named), "{error}");
        }
        assert_eq!(device_list("cpu").unwrap().len(), 1);
        let error = device_list("cpu, cpu").unwrap_err();
        assert!(error.contains("cards alone"), "{error}");
        for (kind, _) in GPUS.iter().filter(|(_, built)| !built) {
            let error = device(kind).unwrap_err();
            assert!(error.contains(&format!("--features {kind}")), "{error}");
        }
    }
}
