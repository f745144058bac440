"""The card of a published checkpoint: what the Hub reads of it, how to use it, and its own text."""

from foodvision.checkpoint import Checkpoint, read_card
from foodvision.hub.client import is_repo_id

_LIBRARY = "foodvision"

_USE = """\
```python
import foodvision

classifier = foodvision.load("{repo_id}")
print(classifier.predict("photo.jpg"))
```
"""
_USE_STARTS, _, _USE_ENDS = _USE.partition("{repo_id}")


def hub_card(checkpoint: Checkpoint, repo_id: str, license: str | None = None) -> str:  # noqa: A002
    """Return the card, in Markdown, of a checkpoint under its name on the Hub.

    license: as the Hub names licences; "other" if None.
    """
    from huggingface_hub import EvalResult, ModelCardData

    figures, name = checkpoint.config.figures, repo_id.partition("/")[2]
    test = figures.get("test", {})
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type="image-folder",
            dataset_name=f"{test['n']} test photos",
            dataset_split="test",
            metric_type=kind,
            metric_name=called,
            metric_value=round(test[key], 4),
        )
        for kind, called, key in (
            ("accuracy", "top-1", "top1"),
            ("accuracy", "top-5", "top5"),
            ("f1", "macro F1", "macro_f1"),
        )
        if key in test
    ]
    data = ModelCardData(
        license=license or "other",
        library_name=_LIBRARY,
        pipeline_tag="image-classification",
        tags=["onnx", "image-classification"],
        base_model=checkpoint.config.base_model or None,
        datasets=_datasets(checkpoint),
        model_name=name if results else None,
        eval_results=results or None,
    )
    _, _, text = read_card(checkpoint).partition("\n")  # its title is the repository's name
    if text.lstrip().startswith(_USE_STARTS):  # it has been on the Hub before
        _, _, text = text.partition(_USE_ENDS)
    return f"---\n{data.to_yaml()}\n---\n\n# {name}\n\n{_USE.format(repo_id=repo_id)}{text}"


def _datasets(checkpoint: Checkpoint) -> list[str] | None:
    source = str(checkpoint.config.data.get("source", ""))
    if source.partition(":")[0] == "food101":
        return ["ethz/food101"]
    name = source.removeprefix("hf://").partition("?")[0].partition("@")[0]
    name = name.removeprefix("datasets/").rstrip("/")
    # What else there is, folders and parquet files of this disk, the Hub has not.
    return [name] if source.startswith("hf://") and is_repo_id(name) else None
