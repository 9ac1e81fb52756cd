//! The file of `--save-latents`: safetensors with one f32 tensor, as diffusers' `output_type="latent"` would be saved.

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::error::CliError;
use crate::engine::Latents;

/// The file's bytes: a tensor `latents` of shape [1, channels, height, width].
///
/// # Errors
/// Values that do not fill the shape.
pub fn to_safetensors(latents: &Latents) -> Result<Vec<u8>, CliError> {
    let failed = |error: safetensors::SafeTensorError| {
        CliError::Machine(format!("the latents could not be put into a file ({error})"))
    };
    let bytes: Vec<u8> = latents.values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let shape = vec![1, latents.channels, latents.height, latents.width];
    let view = TensorView::new(Dtype::F32, shape, &bytes).map_err(failed)?;
    safetensors::serialize([("latents", view)], None).map_err(failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_file_holds_one_tensor_with_its_values() {
        let values: Vec<f32> = (0..24u8).map(|n| f32::from(n) * 0.1 - 1.0).collect();
        let latents = Latents { channels: 4, height: 2, width: 3, values: values.clone() };
        let bytes = to_safetensors(&latents).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.names(), ["latents"]);
        let tensor = file.tensor("latents").unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (Dtype::F32, &[1, 4, 2, 3][..]));
        let read: Vec<f32> = tensor.data().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(read, values);
    }

    #[test]
    fn a_shape_that_does_not_fit_is_refused() {
        assert!(to_safetensors(&Latents { channels: 4, height: 2, width: 3, values: vec![0.0; 23] }).is_err());
    }
}
