#!/usr/bin/env bash
# Unpacks Debian's adbd with the libraries it needs into a folder, without installing anything, and
# makes FOLDER/adbd, which starts it. Debian has it since trixie; older systems can run it so too.
#   tests/adbd.sh FOLDER && export MVPOSE_ADBD=FOLDER/adbd
set -euo pipefail
tools=$(cd "$(dirname "$0")/../tools" && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
"$tools/debian_packages.py" "$folder/root" --suite trixie --dependencies adbd
libraries=$folder/root/usr/lib/$(uname -m)-linux-gnu
loader=$(echo "$libraries"/ld-linux*.so.*)
cat > "$folder/adbd" << END
#!/bin/sh
exec $loader --library-path $libraries:$libraries/android \\
  $folder/root/usr/lib/android-sdk/platform-tools/adbd "\$@"
END
chmod +x "$folder/adbd"
