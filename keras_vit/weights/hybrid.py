"""What the residual network under a hybrid ViT is called; for the beginning of the rules of a ViT's sources."""

from keras_vit.weights.sources import Rule

TIMM = (
    Rule("embed/", "patch_embed.backbone.stem.conv."),
    Rule("embed/", "patch_embed.backbone.conv."),  # where the trunk is its stem alone
    Rule("embed_norm/", "patch_embed.backbone.stem.norm."),
    Rule("embed_norm/", "patch_embed.backbone.norm."),
    Rule("project/", "patch_embed.proj."),
    Rule(r"stage_(\d+)_block_(\d+)/shortcut/", r"patch_embed.backbone.stages.\1.blocks.\2.downsample.conv."),
    Rule(r"stage_(\d+)_block_(\d+)/shortcut_norm/", r"patch_embed.backbone.stages.\1.blocks.\2.downsample.norm."),
    Rule(r"stage_(\d+)_block_(\d+)/", r"patch_embed.backbone.stages.\1.blocks.\2."),
)
_UNITS = {"conv": "conv", "norm": "gn", "shortcut": "conv_proj", "shortcut_norm": "gn_proj"}


def _unit(match):
    stage, block, part, index = match.groups()
    return f"block{int(stage) + 1}/unit{int(block) + 1}/{_UNITS[part]}{index}/"


NPZ = (
    Rule("embed/", "conv_root/"),
    Rule("embed_norm/", "gn_root/"),
    Rule("project/", "embedding/"),
    Rule(r"stage_(\d+)_block_(\d+)/([a-z_]+)(\d?)/", _unit),
)
