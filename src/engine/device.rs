//! Which device computes, and in which dtype.

use candle_core::{DType, Device};

use super::{Compute, DTypeChoice, DeviceChoice, EngineError, free_memory};

/// A device, the dtype of the networks on it, and both in words.
#[derive(Debug, Clone)]
pub struct Place {
    pub device: Device,
    pub dtype: DType,
    pub words: String,
}

/// The devices that this build can use; `cpu` is always there.
pub fn built_in_devices() -> Vec<DeviceChoice> {
    let mut out = vec![DeviceChoice::Cpu];
    if cfg!(feature = "cuda") {
        out.push(DeviceChoice::Cuda);
    }
    if cfg!(feature = "metal") {
        out.push(DeviceChoice::Metal);
    }
    out
}

/// Refuses a device that this build was made without, naming the feature that brings it.
pub fn ensure_built_in(choice: DeviceChoice) -> Result<(), EngineError> {
    let (name, feature) = match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => return Ok(()),
        DeviceChoice::Cuda => ("CUDA", "cuda"),
        DeviceChoice::Metal => ("Metal", "metal"),
    };
    if built_in_devices().contains(&choice) {
        return Ok(());
    }
    Err(EngineError::Input(format!(
        "device '{feature}' is not available: this program was built without {name}; build it with --features {feature}, or use --device cpu"
    )))
}

/// Bytes that a device can still give; None where neither it nor the system says. A GPU that shares the computer's memory
/// counts what the system recommends for it.
pub fn available_bytes(device: &Device) -> Option<u64> {
    match device {
        Device::Cpu => free_memory::available_bytes(),
        #[cfg(feature = "cuda")]
        Device::Cuda(cuda) => {
            let (free, _) = cuda.cuda_stream().context().mem_get_info().ok()?;
            u64::try_from(free).ok()
        }
        #[cfg(feature = "metal")]
        Device::Metal(metal) => {
            let metal = metal.metal_device();
            // More may be allocated than is recommended: then nothing is left, which is not the same as unknown.
            let left = metal.recommended_max_working_set_size().saturating_sub(metal.current_allocated_size());
            u64::try_from(left).ok()
        }
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => None,
        #[cfg(not(feature = "metal"))]
        Device::Metal(_) => None,
    }
}

/// Opens the device. `auto` takes a GPU that is built in and answers, else the CPU.
pub fn open(compute: Compute) -> Result<Place, EngineError> {
    ensure_built_in(compute.device)?;
    let asked = |choice: DeviceChoice| match choice {
        DeviceChoice::Cuda => Device::new_cuda(0),
        DeviceChoice::Metal => Device::new_metal(0),
        DeviceChoice::Auto | DeviceChoice::Cpu => Ok(Device::Cpu),
    };
    let device = match compute.device {
        DeviceChoice::Auto => {
            let found = built_in_devices().into_iter().rev().find_map(|choice| asked(choice).ok());
            found.unwrap_or(Device::Cpu)
        }
        choice => asked(choice).map_err(|error| {
            let why = error.to_string();
            let why = why.lines().next().unwrap_or("no reason given");
            EngineError::Input(format!("the device does not answer ({why}); check its driver, or use --device cpu"))
        })?,
    };
    let name = match &device {
        Device::Cpu => "cpu",
        Device::Cuda(_) => "cuda",
        Device::Metal(_) => "metal",
    };
    let dtype = match (compute.dtype, &device) {
        (DTypeChoice::Auto, Device::Cpu) | (DTypeChoice::F32, _) => DType::F32,
        (DTypeChoice::Auto | DTypeChoice::F16, _) => DType::F16,
        (DTypeChoice::Bf16, Device::Cpu) => {
            let said = "dtype bf16 is not available on the CPU; use --dtype f32, which is as fast there";
            return Err(EngineError::Input(said.to_owned()));
        }
        (DTypeChoice::Bf16, _) => DType::BF16,
    };
    Ok(Place { device, dtype, words: format!("{name}, {}", dtype.as_str()) })
}
