#!/usr/bin/env bash
# Unpacks Debian's adbd with the libraries it needs into a folder, without installing anything, and
# makes FOLDER/adbd, which starts it. Debian has it since trixie; older systems can run it so too.
#   tests/adbd.sh FOLDER && export MVPOSE_ADBD=FOLDER/adbd
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)
mkdir -p "$folder"/{lists/partial,cache/archives/partial,debs,root}
. /etc/os-release
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: '"$VERSION_CODENAME" | head -1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" \
  > "$folder/sources.list"
export APT_CONFIG=$folder/apt.conf
cat > "$APT_CONFIG" << END
Dir::State::Lists "$folder/lists";
Dir::Cache "$folder/cache";
Dir::Etc::SourceList "$folder/sources.list";
Dir::Etc::SourceParts "/nonexistent";
APT::Sandbox::User "root";
END
apt-get update --quiet=2
cd "$folder/debs"
apt-get download --quiet=2 adbd android-libbase android-libboringssl android-libcutils \
  android-liblog libbrotli1 libc6 libcap2 libgcc-s1 liblz4-1 libprotobuf32t64 libstdc++6 \
  libsystemd0 libxxhash0 libzstd1 zlib1g
for package in *.deb; do dpkg-deb --extract "$package" "$folder/root"; done
libraries=$folder/root/usr/lib/$(uname -m)-linux-gnu
loader=$(echo "$libraries"/ld-linux*.so.*)
cat > "$folder/adbd" << END
#!/bin/sh
exec $loader --library-path $libraries:$libraries/android \\
  $folder/root/usr/lib/android-sdk/platform-tools/adbd "\$@"
END
chmod +x "$folder/adbd"
