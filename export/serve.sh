#!/bin/sh
# Serves exported models by TensorFlow Serving: its docker image where docker runs, else its binary from the PATH.
#
#   export/serve.sh [--dry-run] [MODELS [FLAG...]]
#
# MODELS is the folder of servables (default: export/models); FLAGs go to tensorflow_model_server. --dry-run prints the
# command instead of running it. Environment: REST_PORT (8501), GRPC_PORT (8500), and IMAGE, another docker image.
set -eu

# Versions of TensorFlow Serving follow TensorFlow's, some months behind: this is the newest known when this was written,
# and exports are of TensorFlow 2.21. The image was not run here: see README.md, "What was run".
IMAGE=${IMAGE:-tensorflow/serving:2.20.0}
REST_PORT=${REST_PORT:-8501}
GRPC_PORT=${GRPC_PORT:-8500}

configs=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
dry=
if [ "${1:-}" = --dry-run ]; then
    dry=yes
    shift
fi
case ${1:-} in
    -h | --help)
        sed -n '2,/^set /{s/^# \{0,1\}//p;}' "$0"
        exit 0
        ;;
    -*)
        echo "error: unknown option $1: flags of tensorflow_model_server come after MODELS" >&2
        exit 2
        ;;
esac
models=${1:-$configs/models}
[ $# -eq 0 ] || shift
if [ ! -d "$models" ]; then
    echo "error: there is no folder $models: make it with: tfvae export RUN $models" >&2
    exit 2
fi
models=$(CDPATH='' cd -- "$models" && pwd)
for port in "$REST_PORT" "$GRPC_PORT"; do
    case $port in
        '' | *[!0-9]*)
            echo "error: REST_PORT and GRPC_PORT must be numbers, not \"$port\"" >&2
            exit 2
            ;;
    esac
done

# Runs a command in place of this script, or prints it, quoted for a shell.
run() {
    if [ -z "$dry" ]; then
        exec "$@"
    fi
    line=
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./:=,@%+-]* | '') word="'$(printf %s "$word" | sed "s/'/'\\\\''/g")'" ;;
        esac
        line="$line${line:+ }$word"
    done
    printf '%s\n' "$line"
}

# The flags, the same for both. New labels in models.config are taken up without a restart, of versions that are still
# being loaded too.
set -- \
    --enable_batching=true \
    --allow_version_labels_for_unavailable_models=true \
    --model_config_file_poll_wait_seconds=10 \
    --file_system_poll_wait_seconds=10 "$@"

if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
    # The folder of configurations is mounted whole: of a single file that an editor replaces, the container would keep
    # the old one. --init: else the server is process 1, which SIGTERM does not end. The ports are of this machine alone.
    run docker run --rm --init \
        -p "127.0.0.1:$REST_PORT:8501" -p "127.0.0.1:$GRPC_PORT:8500" \
        -v "$models:/models:ro" -v "$configs:/config:ro" \
        --entrypoint tensorflow_model_server "$IMAGE" \
        --port=8500 --rest_api_port=8501 \
        --model_config_file=/config/models.config \
        --batching_parameters_file=/config/batching.config \
        --monitoring_config_file=/config/monitoring.config \
        "$@"
elif command -v tensorflow_model_server >/dev/null; then
    # models.config says /models, which is the container's: a copy has the folder itself. What is changed in the original
    # later needs a restart.
    if [ -n "$dry" ]; then
        copy=${TMPDIR:-/tmp}/tfvae-serving.models.config
    else
        echo "tensorflow_model_server listens on all of this machine's addresses: shield ports $REST_PORT, $GRPC_PORT" >&2
        copy=$(mktemp "${TMPDIR:-/tmp}/tfvae-serving.XXXXXX")
        folder=$(printf %s "$models" | sed 's/[\\&|]/\\&/g')
        sed "s|\"/models/|\"$folder/|" "$configs/models.config" >"$copy"
    fi
    run tensorflow_model_server \
        --port="$GRPC_PORT" --rest_api_port="$REST_PORT" \
        --model_config_file="$copy" \
        --batching_parameters_file="$configs/batching.config" \
        --monitoring_config_file="$configs/monitoring.config" \
        "$@"
else
    echo "error: neither does docker run here, nor is tensorflow_model_server on the PATH. Install one of them, or let the" \
        "package serve by itself: tfvae serve $models --config $configs/models.config" \
        "--batching $configs/batching.config" >&2
    exit 1
fi
