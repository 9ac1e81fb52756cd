//! A fully connected layer on packed weights, with what follows it done before the results reach memory.

use candle_core::{DType, Result, Tensor, bail};

use super::Isa;
use super::meter::measured;
use super::microkernel::DEPTH;
use super::panels::Panels;
use super::product::{Product, Rows};
use super::tensors::with_optional_slices;

/// `y = x Wᵀ + b`, or its gated form: values times the GELU of their gates.
pub struct PackedLinear {
    panels: Panels,
    /// f32 `[outputs]`
    bias: Option<Tensor>,
}

impl std::fmt::Debug for PackedLinear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Panels { inputs, outputs, .. } = self.panels;
        write!(f, "PackedLinear({inputs} to {outputs}, {:?})", self.panels.dtype())
    }
}

impl PackedLinear {
    /// Packs `weight` `[outputs, inputs]`, kept as f32, f16 or bf16 as it comes; `bias` `[outputs]` becomes f32.
    pub fn new(isa: Isa, weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        weight.dims2()?;
        Self::packed(isa, weight, bias, false)
    }

    /// GEGLU: the first half of `weight`'s `[2 * outputs, inputs]` makes values, the second half gates; the result is
    /// `value * gelu(gate)`, `[…, outputs]`, with the exact GELU.
    pub fn gated(isa: Isa, weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        weight.dims2()?;
        Self::packed(isa, weight, bias, true)
    }

    fn packed(isa: Isa, weight: &Tensor, bias: Option<&Tensor>, gated: bool) -> Result<Self> {
        let panels = Panels::pack(isa, weight, gated)?;
        Ok(Self { bias: bias.map(|bias| f32_row(bias, panels.outputs)).transpose()?, panels })
    }

    /// `[…, inputs]` to `[…, outputs]`, f32 on the CPU; `residual`, of the shape of the result, is added (not in the
    /// gated form).
    pub fn forward(&self, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        let mut shape = x.dims().to_vec();
        let Some(width) = shape.last_mut() else { bail!("a linear layer takes rows, and got a single number") };
        if *width != self.panels.inputs {
            bail!("a linear layer of {} inputs got rows of {width}", self.panels.inputs);
        }
        *width = self.panels.results();
        if let Some(residual) = residual
            && (residual.dims() != shape || self.panels.gated)
        {
            bail!("a residual of shape {:?} cannot be added to {shape:?}", residual.dims());
        }
        let (x, residual) = (x.contiguous()?, residual.map(Tensor::contiguous).transpose()?);
        let rows = x.elem_count() / self.panels.inputs;
        let about = || {
            let Panels { inputs, outputs, .. } = self.panels;
            (format!("{rows} x {inputs} x {outputs}"), 2.0 * (rows * inputs * outputs) as f64)
        };
        let op = if self.panels.gated { "linear, GEGLU" } else { "linear" };
        let out = measured(op, about, || {
            with_optional_slices([Some(&x), self.bias.as_ref(), residual.as_ref()], |[x, bias, residual]| {
                let left = PlainRows { numbers: x.unwrap_or_default(), width: self.panels.inputs };
                let panels = &self.panels;
                Ok(Product { panels, left, groups: 1, rows, bias, shift: None, residual }.run())
            })
        })?;
        Tensor::from_vec(out, shape, x.device())
    }

    /// Bytes that the packed weights take.
    pub fn bytes(&self) -> usize {
        self.panels.bytes()
    }

    /// The precision that the weights are kept in.
    pub fn dtype(&self) -> DType {
        self.panels.dtype()
    }
}

/// A bias in f32, `[outputs]`.
pub(super) fn f32_row(bias: &Tensor, outputs: usize) -> Result<Tensor> {
    if bias.dims() != [outputs] {
        bail!("a bias of shape {:?} does not fit {outputs} outputs", bias.dims());
    }
    bias.to_dtype(DType::F32)?.contiguous()
}

/// Rows one after the other.
pub(super) struct PlainRows<'a> {
    pub numbers: &'a [f32],
    pub width: usize,
}

impl Rows for PlainRows<'_> {
    fn gather(&self, _: usize, first: usize, count: usize, input: usize, depth: usize, out: &mut [f32]) {
        let rows = self.numbers[first * self.width..].chunks_exact(self.width);
        for (row, out) in rows.zip(out.chunks_exact_mut(DEPTH)).take(count) {
            out[..depth].copy_from_slice(&row[input..input + depth]);
        }
    }
}
