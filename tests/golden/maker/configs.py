"""Sizes of the small models. They are uneven on purpose, so that a swapped size cannot pass."""

SDXL_SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0", "beta_end": 0.012,
    "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": False, "interpolation_type": "linear",
    "num_train_timesteps": 1000, "prediction_type": "epsilon", "sample_max_value": 1.0, "set_alpha_to_one": False,
    "skip_prk_steps": True, "steps_offset": 1, "timestep_spacing": "leading", "trained_betas": None,
    "use_karras_sigmas": False,
}
# Only what differs from the scheduler classes' own defaults is named; clip_sample and set_alpha_to_one are silent.
V_SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.42.1", "beta_end": 0.014,
    "beta_schedule": "scaled_linear", "beta_start": 0.001, "num_train_timesteps": 1000,
    "prediction_type": "v_prediction", "timestep_spacing": "trailing",
}
SILENT_SCHEDULER = {"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.42.1", "timestep_spacing": "linspace"}


def unet(**kw):
    return dict(act_fn="silu", addition_embed_type="text_time", in_channels=4, out_channels=4, center_input_sample=False) | kw


MODELS = {
    # SDXL's shape: all eleven cross-attention blocks, linear projections, uneven depths and head counts.
    "a": dict(
        merges=260, specials_last=False, tokenizer_json=False, text_prefix=True, force_zeros=True,
        text_encoder=dict(hidden_size=20, intermediate_size=52, num_hidden_layers=3, num_attention_heads=5,
                          projection_dim=20, hidden_act="quick_gelu", eos_rule="highest"),
        text_encoder_2=dict(hidden_size=28, intermediate_size=60, num_hidden_layers=4, num_attention_heads=4,
                            projection_dim=24, hidden_act="gelu", eos_rule="first"),
        unet=unet(sample_size=8, block_out_channels=(16, 24, 36), layers_per_block=2,
                  down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                  up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                  transformer_layers_per_block=[1, 1, 2], attention_head_dim=[2, 3, 4], cross_attention_dim=48,
                  use_linear_projection=True, norm_num_groups=4, addition_time_embed_dim=10,
                  projection_class_embeddings_input_dim=24 + 60),
        unet_gain=1.0, unet_save={},
        vae=dict(block_out_channels=(8, 12, 16, 20), layers_per_block=1, norm_num_groups=4, latent_channels=4,
                 down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
                 sample_size=64, scaling_factor=0.13025),
        vae_save={}, scheduler=SDXL_SCHEDULER,
    ),
    # Four levels, conv projections, one layer a block, one head count for all, VAE of factor 4 without its extras.
    "b": dict(
        merges=500, specials_last=True, tokenizer_json=True, text_prefix=False, force_zeros=False,
        text_encoder=dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
                          projection_dim=16, hidden_act="quick_gelu", eos_rule="first"),
        text_encoder_2=dict(hidden_size=20, intermediate_size=44, num_hidden_layers=3, num_attention_heads=2,
                            projection_dim=18, hidden_act="gelu", eos_rule="highest"),
        unet=unet(sample_size=16, block_out_channels=(8, 16, 24, 32), layers_per_block=1,
                  down_block_types=("CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                  up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"),
                  transformer_layers_per_block=[1, 1, 2, 3], attention_head_dim=4, cross_attention_dim=44,
                  use_linear_projection=False, norm_num_groups=8, addition_time_embed_dim=14,
                  projection_class_embeddings_input_dim=18 + 84),
        unet_gain=1.0, unet_save=dict(max_shard_size="400KB"),
        vae=dict(block_out_channels=(8, 16, 24), layers_per_block=2, norm_num_groups=8, latent_channels=4,
                 down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
                 sample_size=64, scaling_factor=0.37, use_quant_conv=False, use_post_quant_conv=False,
                 mid_block_add_attention=False),
        vae_save=dict(variant="fp16"), scheduler=V_SCHEDULER,
    ),
    # Two levels, sinusoids the other way round, a scheduler file that says almost nothing (linear betas, linspace), a VAE
    # that is not made with SiLU.
    "c": dict(
        merges=40, specials_last=True, tokenizer_json=False, text_prefix=True, force_zeros=True,
        text_encoder=dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
                          projection_dim=16, hidden_act="gelu", eos_rule="highest"),
        text_encoder_2=dict(hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=3,
                            projection_dim=24, hidden_act="quick_gelu", eos_rule="highest"),
        unet=unet(sample_size=16, block_out_channels=(16, 24), layers_per_block=2,
                  down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                  up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                  transformer_layers_per_block=2, attention_head_dim=[2, 3], cross_attention_dim=28,
                  use_linear_projection=True, norm_num_groups=8, addition_time_embed_dim=6,
                  projection_class_embeddings_input_dim=24 + 36, flip_sin_to_cos=False, freq_shift=1),
        unet_gain=1.0, unet_save={},
        vae=dict(block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=2, latent_channels=4,
                 down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
                 sample_size=32, scaling_factor=0.9, act_fn="gelu"),
        vae_save={}, scheduler=SILENT_SCHEDULER,
    ),
    # SDXL's shape with what a single file cannot say: 32 groups, heads of 64, the published settings. Weights by rule.
    "s": dict(
        by_rule=True, merges=500, specials_last=True, tokenizer_json=False, text_prefix=True, force_zeros=True,
        text_encoder=dict(hidden_size=32, intermediate_size=52, num_hidden_layers=3, num_attention_heads=1,
                          projection_dim=32, hidden_act="quick_gelu", eos_rule="highest"),
        text_encoder_2=dict(hidden_size=128, intermediate_size=72, num_hidden_layers=3, num_attention_heads=2,
                            projection_dim=24, hidden_act="gelu", eos_rule="highest"),
        unet=unet(sample_size=128, block_out_channels=(32, 64, 128), layers_per_block=2,
                  down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                  up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                  transformer_layers_per_block=[1, 1, 2], attention_head_dim=[1, 1, 2], cross_attention_dim=160,
                  use_linear_projection=True, norm_num_groups=32, addition_time_embed_dim=14,
                  projection_class_embeddings_input_dim=24 + 84),
        unet_gain=1.0, unet_save={},
        vae=dict(block_out_channels=(32, 32, 64, 64), layers_per_block=2, norm_num_groups=32, latent_channels=4,
                 down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
                 sample_size=64, scaling_factor=0.13025),
        vae_save={}, scheduler=SDXL_SCHEDULER,
    ),
    # SD 1.5's shape: four levels, the innermost without attention, eight heads everywhere, one text encoder.
    "d": dict(
        by_rule=True, merges=500, specials_last=True, tokenizer_json=False, text_prefix=True, force_zeros=False,
        text_encoder=dict(hidden_size=64, intermediate_size=88, num_hidden_layers=3, num_attention_heads=1,
                          projection_dim=64, hidden_act="quick_gelu", eos_rule="highest"),
        unet=unet(addition_embed_type=None, sample_size=64, block_out_channels=(32, 64, 64, 96), layers_per_block=2,
                  down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
                  up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
                  attention_head_dim=8, cross_attention_dim=64, norm_num_groups=32),
        unet_gain=1.0, unet_save={},
        vae=dict(block_out_channels=(32, 32, 64, 64), layers_per_block=2, norm_num_groups=32, latent_channels=4,
                 down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
                 sample_size=64, scaling_factor=0.18215),
        vae_save={}, scheduler=SDXL_SCHEDULER,
    ),
}

VISIONS = {
    "a": dict(hidden_size=36, intermediate_size=76, num_hidden_layers=3, num_attention_heads=3, image_size=32,
              patch_size=8, projection_dim=24, hidden_act="quick_gelu"),
    # 30 is not a multiple of 7: the patch convolution drops the rest, as transformers does.
    "b": dict(hidden_size=40, intermediate_size=68, num_hidden_layers=4, num_attention_heads=5, image_size=30,
              patch_size=7, projection_dim=18, hidden_act="gelu"),
}

# Adapter: UNet, vision tower, kind; Plus: width, heads of 64, tokens.
ADAPTERS = {
    "a": dict(model="a", vision="a", kind="base"),
    "a_plus": dict(model="a", vision="a", kind="plus", width=28, heads=1, tokens=5),
    "b": dict(model="b", vision="b", kind="base"),
    "b_plus": dict(model="b", vision="b", kind="plus", width=24, heads=2, tokens=3),
    "c": dict(model="c", vision="a", kind="base"),
    "s": dict(model="s", vision="a", kind="base"),
    "d": dict(model="d", vision="a", kind="base"),
    "d_plus": dict(model="d", vision="a", kind="plus", width=28, heads=1, tokens=5),
    "d_full": dict(model="d", vision="a", kind="full"),
}
