"""What other tools call the options and commands of foodvision.

Keys are foodvision's: an option, an argument by its name in the help (DATA), or a command. If a
word stands under several keys, the first one that the command has is meant.
"""

from collections.abc import Mapping

_OPTIONS = {
    # Arguments that stand without an option.
    "PHOTOS": "--photo --photos --image --images --input --source --path --folder --dir --data -i",
    "DATA": "--data --dataset --data-dir --data-path --train-dir --input --source --path --folder "
    "--dir --root --photos --images -d -i",
    "SOURCE": "--data --dataset --data-dir --data-path --input --path --folder --dir --root "
    "--photos --images -d -i",
    "CHECKPOINT": "--model --checkpoint --ckpt --weights --model-path --run -m",
    "MODEL": "--model --checkpoint --ckpt --weights --model-path -m",
    "NAME": "--name --repo --repo-id --hub-model-id --to",
    "SPACE": "--name --space --repo --repo-id --space-id",
    # What is trained, and for how long.
    "--model": "--weights --checkpoint --ckpt --model-path --model-name --pretrained-model --arch "
    "--architecture --backbone --network --net -m",
    "--image-size": "--imgsz --img-size --imgsize --img --input-size --size --resolution",
    "--no-pretrained": "--from-scratch --scratch",
    "--epochs": "--epoch --num-epochs --n-epochs --max-epochs --num-train-epochs -e",
    "--finetune-epochs": "--unfreeze --unfreeze-epochs --finetune --fine-tune",
    "--early-stopping": "--patience --early-stop",
    # The optimiser.
    "--batch-size": "--batch --bs --batchsize --train-batch-size --per-device-train-batch-size -b",
    "--optimizer": "--opt --optim --optimiser",
    "--learning-rate": "--lr --lr0 --base-lr",
    "--finetune-learning-rate": "--finetune-lr --backbone-lr",
    "--weight-decay": "--wd --l2",
    "--layer-decay": "--llrd --layerwise-decay",
    "--schedule": "--sched --scheduler --lr-scheduler --lr-schedule --lr-scheduler-type --cos-lr",
    "--warmup-epochs": "--warmup --warm-up --warmup-steps",
    "--accumulate": "--accum --accumulation --grad-accum --gradient-accumulation-steps "
    "--grad-accum-steps --accum-iter",
    "--clip": "--clip-grad --grad-clip --max-grad-norm --gradient-clip-val",
    "--ema": "--model-ema --ema-decay --model-ema-decay",
    # Augmentation, loss and photos.
    "--augment": "--aug --augmentation --augmentations --aa --auto-augment",
    "--label-smoothing": "--smoothing",
    "--balance": "--class-weight --class-weights --weighted",
    "--teacher": "--distill --teacher-model",
    "--teacher-temperature": "--temperature --distillation-temperature",
    "--val-share": "--val-split --validation-split --val-size --val-ratio --val-fraction",
    "--test-share": "--test-split --test-size --test-ratio --test-fraction",
    "--write-exclude": "--exclude",
    "--exclude": "--ignore --skip",
    "--unknown": "--ood --other --others --negatives --background",
    "--split": "--subset --part",
    # The run.
    "--resume": "--continue --restart --resume-from",
    "--config": "--cfg --config-file --settings -c",
    "--seed": "--random-seed --random-state --manual-seed",
    "--precision": "--amp --fp16 --bf16 --half --dtype --mixed-precision",
    "--track": "--wandb --mlflow --trackio --tensorboard --logger --report-to --tracker",
    "--dashboard": "--tensorboard --trackio --web --ui",
    "--push": "--push-to-hub --upload",
    # What is written.
    "--json": "--format --jsonl --as-json -f",
    "--plot": "--out --output-file --save --figure -o",
    "--csv": "--output --out --output-file --save --save-txt --to-csv -o",
    "FOLDER": "--output --output-dir --out --out-dir --site -o",
    "--output": "--out --output-dir --out-dir --outdir --save --save-dir --run-dir --log-dir "
    "--logdir --project --name --run-name --exp-name --experiment -o",
    "--html": "--output --out --output-file --save --report -o",
    "--top": "--topk --top-k --topn --top-n --num-predictions -k -n",
    "--sort-into": "--sort --organise --organize --move --copy",
    # Pages, the API and the Hub.
    "--host": "--bind --address --addr --ip --listen --server-name",
    "--port": "--server-port -p",
    "--share": "--public --public-link",
    "--max-replicas": "--replicas --workers --num-workers -w",
    "--ray-cpus": "--cpus --num-cpus",
    "--quiet": "--silent -q",
    "--hardware": "--gpu --flavor",
    "--dry-run": "-n",
    "--revision": "--branch",
    "--license": "--licence",
}

_COMMANDS = {
    "predict": "classify infer inference recognise recognize identify detect label",
    "demo": "gui ui web webui app page start launch gradio open",
    "train": "fit finetune fine-tune learn",
    "data": "check inspect lint clean dataset datasets photos images analyse analyze",
    "find-lr": "lr lr-find lr-finder learning-rate",
    "evaluate": "eval test val validate validation benchmark score metrics",
    "compare": "diff vs",
    "runs": "list ls history log logs experiments results",
    "push": "upload publish",
    "deploy": "space host share",
    "export": "convert onnx static html",
    "serve": "api server rest http",
    "--help": "help commands -?",
    "--version": "version -v -V",
}

# What to say where foodvision has no such option.
_ADVICE = {
    "Predictions run on the CPU.": "--device --gpu --gpus --cuda --use-gpu --no-cuda --cpu",
    "All processor cores are used.": "--workers --num-workers --threads --num-threads --jobs -j -w",
    "Folders are searched with their subfolders.": "--recursive -r",
    "Log in with hf auth login, or set HF_TOKEN.": "--token --hf-token --auth-token",
    "Set FOODVISION_API_KEYS: serve then requires one of its keys.": "--api-key --api-keys --key",
    "The class folders name the classes.": "--classes --num-classes --class-names --nc",
    "--optimizer sgd uses Nesterov momentum 0.9.": "--momentum --nesterov",
    "predict --json and --csv write the confidence of every photo.": "--threshold --conf "
    "--confidence",
}

DEVICE = "--device auto, the default, uses a GPU if there is one. --device cpu uses none."
"""The advice of commands that have --device, for a device that they do not name."""


def _by_word(table: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for ours, theirs in table.items():
        for word in theirs.split():
            found[word] = (*found.get(word, ()), ours)
    return found


OPTIONS = _by_word(_OPTIONS)
"""What an option of other tools may mean."""

COMMANDS = {word: ours for word, (ours, *_) in _by_word(_COMMANDS).items()}
"""What a command of other tools means."""

ADVICE = {word: advice for word, (advice, *_) in _by_word(_ADVICE).items()}
"""What to say to an option that foodvision does not need."""
