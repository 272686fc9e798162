"""The container that removes the files of deleted shares before the server starts, when no process has them open.

It is always there: to add it for a list would replace the pod, and so restart the server for a deletion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from informers.resource import Manifest
from reconcilers import names
from reconcilers.api.dittofs import DittoFS

_VOLUME = "purge-list"
_MESSAGE = "/dev/termination-log"

#: Says on its last words up to which number it has removed files, and for which it has not: `kept` because somebody
#: wrote there after the share was deleted, or `failed`. It never keeps the server from starting.
#:
#: Of POSIX, and `find -mmin`: the server's image has no more than busybox. The record on the volume makes each number
#: count once, however old the list is that the kubelet gives.
SCRIPT = r"""
list=$1 record=$2 words=$3
last=0
if [ -r "$record" ]; then read -r last < "$record"; fi
case $last in ''|*[!0-9]*) last=0 ;; esac
now=$(date +%s) told='' whole=yes

used_since() { # path, minutes
  [ -e "$1" ] && [ "$2" -gt 0 ] && [ -n "$(find "$1" -mmin "-$2" 2>/dev/null | head -n 1)" ]
}

purge() { # number, paths
  number=$1 contents=$2
  shift
  if used_since "$contents" $(( (now - number / 1000) / 60 - 1 )); then
    told="$told kept=$number"
    return 0
  fi
  for path in "$@"; do
    case $path in
      */../*|*/..) return 1 ;;
      /data/metadata/?*|/data/payload/?*|/data/cache/?*) rm -rf -- "$path" || return 1 ;;
      *) return 1 ;;
    esac
  done
}

if [ -r "$list" ]; then
  while read -r number paths; do
    case $number in ''|*[!0-9]*) continue ;; esac
    [ "$number" -gt "$last" ] || continue
    # Nothing in a path is special to the shell: its folders are percent-encoded.
    if ! purge "$number" $paths; then
      told="$told failed=$number" whole=no
    elif [ "$whole" = yes ]; then
      last=$number
      printf '%s\n' "$last" > "$record.new" && mv -f "$record.new" "$record"
    fi
  done < "$list"
fi
printf '%s%.3000s' "$last" "$told" > "$words"
exit 0
""".lstrip()


def purge_container(
    instance: DittoFS, *, data: Sequence[tuple[str, str]], security: Manifest, resources: Manifest
) -> Manifest:
    """The container, with the volumes `data` (name and mount path), and what else is the same as of the server's.

    With its `resources` the pod needs no more than without it, and a quota of the namespace takes it as well.
    """
    container: dict[str, Any] = {
        "name": names.PURGE_CONTAINER,
        "image": instance.spec.image,
        "imagePullPolicy": instance.spec.image_pull_policy.value,
        "command": ["/bin/sh", "-c", SCRIPT, names.PURGE_CONTAINER],
        "args": [f"{names.PURGE_MOUNT}/{names.PURGE_KEY}", names.PURGE_RECORD, _MESSAGE],
        "securityContext": security,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": _VOLUME, "mountPath": names.PURGE_MOUNT, "readOnly": True},
            *({"name": volume, "mountPath": path} for volume, path in data),
        ],
    }
    return {**container, "resources": resources} if resources else container


def purge_volume(instance: DittoFS) -> Manifest:
    """The volume with the list, which is there only while something is on it."""
    source = {
        "name": names.config_map(instance.metadata.name),
        "items": [{"key": names.PURGE_KEY, "path": names.PURGE_KEY}],
        "optional": True,
    }
    return {"name": _VOLUME, "configMap": source}
