//! The shaders' sources put together, and the pipelines made of them when they are first needed.

use std::collections::HashMap;

use eframe::egui_wgpu::wgpu;

use super::scene::{CompareKind, Filter};

const CANVAS: &str = concat!(
    include_str!("../../shaders/shared/srgb.wgsl"),
    include_str!("../../shaders/shared/surface.wgsl"),
    include_str!("../../shaders/shared/checkerboard.wgsl"),
    include_str!("../../shaders/shared/picture.wgsl"),
    include_str!("../../shaders/canvas.wgsl"),
);
const COMPARE: &str = concat!(
    include_str!("../../shaders/shared/srgb.wgsl"),
    include_str!("../../shaders/shared/surface.wgsl"),
    include_str!("../../shaders/shared/checkerboard.wgsl"),
    include_str!("../../shaders/shared/picture.wgsl"),
    include_str!("../../shaders/compare.wgsl"),
);
const LATENT_PREVIEW: &str =
    concat!(include_str!("../../shaders/shared/surface.wgsl"), include_str!("../../shaders/latent_preview.wgsl"),);
const STAGE: &str = concat!(
    include_str!("../../shaders/shared/srgb.wgsl"),
    include_str!("../../shaders/shared/surface.wgsl"),
    include_str!("../../shaders/stage.wgsl"),
);

const FILL: &str = concat!(include_str!("../../shaders/shared/surface.wgsl"), include_str!("../../shaders/fill.wgsl"));

/// Stages and previews hold sRGB-encoded bytes as they are.
pub const STAGE_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
/// Pictures are decoded by the card, so that loads give linear light.
pub const PICTURE_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8UnormSrgb;

/// A pipeline: a shader, and what of it is settled before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Program {
    Canvas(Filter),
    Compare(CompareKind, Filter, Filter),
    LatentPreview,
    /// True where the framebuffer encodes sRGB by itself.
    Stage(bool),
    /// True where it hides all that is below.
    Fill(bool),
}

/// A shader ready to be made into pipelines.
struct Shader {
    module: wgpu::ShaderModule,
    bindings: wgpu::BindGroupLayout,
    layout: wgpu::PipelineLayout,
    target: wgpu::TextureFormat,
}

/// All shaders of one device, and the pipelines made so far.
pub struct Programs {
    canvas: Shader,
    compare: Shader,
    latent_preview: Shader,
    stage: Shader,
    fill: Shader,
    made: HashMap<Program, wgpu::RenderPipeline>,
}

/// A pipeline with its resources: all that a pass needs.
#[derive(Debug, Clone)]
pub struct Bound {
    pipeline: wgpu::RenderPipeline,
    group: wgpu::BindGroup,
}

impl Bound {
    /// Fills the viewport of the pass.
    pub fn draw(&self, pass: &mut wgpu::RenderPass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.draw(0..3, 0..1);
    }
}

impl Programs {
    /// `window` is the format of the framebuffer, which has one sample a pixel and no depth.
    #[must_use]
    pub fn new(device: &wgpu::Device, window: wgpu::TextureFormat) -> Self {
        let float = wgpu::TextureSampleType::Float { filterable: false };
        let integer = wgpu::TextureSampleType::Uint;
        Self {
            canvas: Shader::new(device, "canvas", CANVAS, &[float], STAGE_FORMAT),
            compare: Shader::new(device, "compare", COMPARE, &[float, float], STAGE_FORMAT),
            latent_preview: Shader::new(device, "latent preview", LATENT_PREVIEW, &[integer], STAGE_FORMAT),
            stage: Shader::new(device, "stage", STAGE, &[float], window),
            fill: Shader::new(device, "fill", FILL, &[], window),
            made: HashMap::new(),
        }
    }

    /// Binds a scene's words and its textures. Nothing is mapped: mapping panics on a lost device.
    pub fn bind(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        program: Program,
        words: &[u32],
        views: &[&wgpu::TextureView],
    ) -> Bound {
        let shader = match program {
            Program::Canvas(_) => &self.canvas,
            Program::Compare(..) => &self.compare,
            Program::LatentPreview => &self.latent_preview,
            Program::Stage(_) => &self.stage,
            Program::Fill(_) => &self.fill,
        };
        let pipeline = self.made.entry(program).or_insert_with(|| shader.pipeline(device, program)).clone();
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("scene"),
            size: (words.len() * 4) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        queue.write_buffer(&buffer, 0, bytemuck::cast_slice(words));
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }];
        entries.extend((1..).zip(views).map(|(binding, view)| wgpu::BindGroupEntry {
            binding,
            resource: wgpu::BindingResource::TextureView(view),
        }));
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("scene"),
            layout: &shader.bindings,
            entries: &entries,
        });
        Bound { pipeline, group }
    }
}

impl Shader {
    /// Binding 0 is the uniform buffer, then the textures follow.
    fn new(
        device: &wgpu::Device,
        label: &str,
        source: &str,
        textures: &[wgpu::TextureSampleType],
        target: wgpu::TextureFormat,
    ) -> Self {
        let visibility = wgpu::ShaderStages::FRAGMENT;
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry { binding, visibility, ty, count: None };
        let uniform = wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset: false,
            min_binding_size: None,
        };
        let mut entries = vec![entry(0, uniform)];
        entries.extend((1..).zip(textures).map(|(binding, &sample_type)| {
            let view_dimension = wgpu::TextureViewDimension::D2;
            entry(binding, wgpu::BindingType::Texture { sample_type, view_dimension, multisampled: false })
        }));
        let bindings =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(label),
            bind_group_layouts: &[Some(&bindings)],
            immediate_size: 0,
        });
        Self { module, bindings, layout, target }
    }

    fn pipeline(&self, device: &wgpu::Device, program: Program) -> wgpu::RenderPipeline {
        let number = |filter: Filter| f64::from(filter as u32);
        let constants = match program {
            Program::Canvas(filter) => vec![("picture_filter", number(filter))],
            Program::Compare(kind, left, right) => {
                vec![("mode", f64::from(kind as u32)), ("left_filter", number(left)), ("right_filter", number(right))]
            }
            Program::Stage(linear_out) => vec![("linear_out", f64::from(u8::from(linear_out)))],
            Program::LatentPreview | Program::Fill(_) => Vec::new(),
        };
        // All others cover what is below them.
        let blend = matches!(program, Program::Fill(false)).then_some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING);
        let target = wgpu::ColorTargetState { blend, ..self.target.into() };
        device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("canvas"),
            layout: Some(&self.layout),
            vertex: wgpu::VertexState {
                module: &self.module,
                entry_point: Some("vs_main"),
                compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &self.module,
                entry_point: Some("fs_main"),
                compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
                targets: &[Some(target)],
            }),
            multiview_mask: None,
            cache: None,
        })
    }
}
