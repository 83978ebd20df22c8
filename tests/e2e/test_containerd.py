"""Two real containerds pull an image from a real registry through their dfdaemons."""

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import unittest

from kit.cluster import ClusterTest, make_file
from kit.daemons import _port_open
from kit.process import Process, wait_for

MIB = 1 << 20
LAYERS = [90 * MIB, 70 * MIB, 50 * MIB, 3 * MIB]


def write_blob(directory, data):
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(directory, "blobs", "sha256", digest), "wb") as file:
        file.write(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def make_oci_image(directory, scratch):
    """An OCI layout with one uncompressed layer for each size in LAYERS."""
    os.makedirs(os.path.join(directory, "blobs", "sha256"))
    layers = []
    for number, size in enumerate(LAYERS):
        path = make_file(os.path.join(scratch, f"layer{number}"), size, seed=number + 10)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            info = tarfile.TarInfo(f"data/layer{number}.bin")
            info.size = size
            with open(path, "rb") as file:
                tar.addfile(info, file)
        os.unlink(path)
        layers.append(
            {"mediaType": "application/vnd.oci.image.layer.v1.tar", **write_blob(directory, buffer.getvalue())}
        )
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            **write_blob(directory, json.dumps(config).encode()),
        },
        "layers": layers,
    }
    index = {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "annotations": {"org.opencontainers.image.ref.name": "latest"},
                **write_blob(directory, json.dumps(manifest).encode()),
            }
        ],
    }
    with open(os.path.join(directory, "index.json"), "w", encoding="utf-8") as file:
        json.dump(index, file)
    with open(os.path.join(directory, "oci-layout"), "w", encoding="utf-8") as file:
        json.dump({"imageLayoutVersion": "1.0.0"}, file)
    return layers


class Containerd:
    def __init__(self, peer, directory, registry):
        self.peer = peer
        self.directory = directory
        self.socket = os.path.join(directory, "containerd.sock")
        certs = os.path.join(directory, "certs.d", registry)
        os.makedirs(certs)
        with open(os.path.join(certs, "hosts.toml"), "w", encoding="utf-8") as file:
            file.write(
                f'server = "http://{registry}"\n\n'
                f'[host."http://{peer.host.ip}:4001"]\n'
                'capabilities = ["pull", "resolve"]\n'
                "skip_verify = true\n"
                f'[host."http://{peer.host.ip}:4001".header]\n'
                f'X-Dragonfly-Registry = ["http://{registry}"]\n'
            )
        config = os.path.join(directory, "config.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(
                "version = 2\n"
                f'root = "{directory}/root"\nstate = "{directory}/state"\n'
                f'[grpc]\naddress = "{self.socket}"\n'
                '[plugins."io.containerd.internal.v1.opt"]\n'
                f'path = "{directory}/opt"\n'
                'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            )
        self.process = Process(
            "containerd",
            peer.host.command("containerd", "--config", config),
            os.path.join(directory, "containerd.log"),
        )
        wait_for("containerd", lambda: os.path.exists(self.socket) and self.ctr("version"))

    def ctr(self, *arguments):
        result = subprocess.run(
            self.peer.host.command("ctr", "--address", self.socket, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        if result.returncode != 0:
            raise RuntimeError(f"ctr {' '.join(arguments)}: {result.stdout}\n{self.process.log_tail(20)}")
        return result.stdout

    def pull(self, image):
        # --snapshotter native: overlayfs is not to be had inside every container.
        return self.ctr(
            *("images", "pull", "--plain-http", "--snapshotter", "native"),
            *("--hosts-dir", os.path.join(self.directory, "certs.d"), image),
        )

    def close(self):
        if self.process.alive():
            self.process.stop()


class ContainerdTest(ClusterTest):
    options = {"peers": 2, "seeds": 1}

    def start_registry(self):
        directory = self.cluster.path("registry")
        os.makedirs(directory)
        host = self.cluster.network.host("registry")
        config = os.path.join(directory, "config.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(
                "version: 0.1\nlog: {level: info, accesslog: {disabled: false}}\n"
                f"storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
                f"http: {{addr: '{host.ip}:5000'}}\n"
            )
        process = Process(
            "docker-registry",
            host.command("docker-registry", "serve", config),
            os.path.join(directory, "registry.log"),
        )
        self.addCleanup(process.kill)
        wait_for("the registry", lambda: _port_open(host.ip, 5000))
        return f"{host.ip}:5000", process

    def test_the_registry_serves_each_blob_once_and_the_second_node_pulls_from_peers(self):
        registry, process = self.start_registry()
        scratch = self.cluster.path("scratch")
        os.makedirs(scratch)
        layers = make_oci_image(self.cluster.path("image"), scratch)
        subprocess.run(
            [
                *("skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false"),
                # Otherwise it compresses the layers, and their digests become others.
                "--preserve-digests",
                *("--dest-no-creds", f"oci:{self.cluster.path('image')}:latest"),
                f"docker://{registry}/test/model:latest",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        total = sum(layer["size"] for layer in layers)
        nodes = []
        for peer in self.cluster.peers:
            directory = self.cluster.path(f"containerd-{peer.host.name}")
            os.makedirs(directory)
            node = Containerd(peer, directory, registry)
            self.addCleanup(node.close)
            nodes.append(node)
        image = f"{registry}/test/model:latest"
        nodes[0].pull(image)
        nodes[1].pull(image)
        for node in nodes:
            listed = node.ctr("content", "ls", "-q")
            for layer in layers:
                self.assertIn(layer["digest"], listed)

        with open(process.log_path, encoding="utf-8") as file:
            log = file.read()
        for layer in layers:
            sent = 0
            pattern = rf'"GET /v2/test/model/blobs/{layer["digest"]}[^"]*" (20[06]) (\d+)'
            for _, size in re.findall(pattern, log):
                sent += int(size)
            self.assertEqual(sent, layer["size"], f"blob {layer['digest']} left the registry more than once")
        first, second = self.cluster.peers
        self.assertEqual(second.traffic("BACK_TO_SOURCE"), 0)
        self.assertGreaterEqual(second.traffic("REMOTE_PEER"), total)
        self.assertEqual(first.traffic("BACK_TO_SOURCE"), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
