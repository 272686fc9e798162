"""What the API server has to take and to refuse, with the message that a user reads: specifications and changes."""

from __future__ import annotations

from typing import Any

from reconcilers.api.share_operations import BlockableOperation

Spec = dict[str, Any]

MEMORY: Spec = {"metadata": {"type": "memory"}, "payload": {"type": "memory"}}
SIZE = "must be a quantity of at least 1Mi, such as 10Gi"
DURATION = "must be a positive duration such as 30s, 15m or 168h (units ms, s, m, h; days are not known)"
PORTS = (
    "adapters.nfs.port, adapters.smb.port, adapters.api.port and metrics.port must differ among the enabled ones; "
    "change one of them"
)
NODE_PORTS = "service.nodePort must differ among the enabled adapters"
ONE_DATABASE = "exactly one of database.sqlite, database.postgresRef and database.postgresSecretRef must be set"
S3_WITH_TYPE = "payload.s3 belongs to payload.type s3, which needs it: set both or neither"
S3_FIXED = "payload.s3.{field} is fixed, at another place every file would be unreadable; create a new DittoFS"
GROW = "size can only grow; a volume cannot shrink"
CLASS = "storageClassName is fixed; create a new DittoFS with the other class and restore into it"


def payload(**storage: Any) -> Spec:
    return {"payload": {"storage": storage}}


def s3(*, cache: Spec | None = None, **fields: Any) -> Spec:
    s3 = {"bucket": "files", "credentialsSecretRef": {"name": "keys"}, **fields}
    return {"payload": {"type": "s3", "s3": s3}, **({} if cache is None else {"cache": cache})}


def accounts(**accounts: Any) -> Spec:
    return accounts


def user(name: str, uid: int) -> Spec:
    return {"name": name, "uid": uid, "gid": 5, "passwordSecretRef": {"name": "secret"}}


def tls(**tls: str) -> Spec:
    return {"adapters": {"api": {"tls": tls}}}


def pod(**pod: Any) -> Spec:
    return {"pod": pod}


def node_port(number: int) -> Spec:
    return {"service": {"type": "NodePort", "nodePort": number}}


def service(adapter: str = "nfs", **service: Any) -> Spec:
    return {"adapters": {adapter: {"service": service}}}


_ANOTHER_PLACE: tuple[tuple[str, Spec, Spec], ...] = (
    ("bucket", {}, {"bucket": "other"}),
    ("prefix", {}, {"prefix": "a"}),
    ("prefix", {"prefix": "a"}, {}),
    ("prefix", {"prefix": "a"}, {"prefix": "b"}),
    ("endpoint", {"endpoint": "http://a"}, {"endpoint": "http://b"}),
    ("endpoint", {"endpoint": "http://a"}, {}),
    ("endpoint", {}, {"endpoint": "http://a"}),
)

GOOD: tuple[Spec, ...] = (
    {},
    MEMORY,
    {"database": None, "metadata": None, "payload": {"storage": {"storageClassName": None}}},
    {"database": {"sqlite": {}}},
    {"database": {"sqlite": {"storage": {"storageClassName": "fast"}}}},
    payload(size="1.5Gi"),
    payload(size=10 * 1024**3),
    payload(size="1Mi"),
    {"shutdownTimeout": "1h30m"},
    {"shutdownTimeout": "500ms"},
    {"replicas": 0},
    {"image": "registry.example:5000/a/dittofs@sha256:0123456789abcdef"},
    {"adapters": {"smb": {"port": 2049}}},
    {"adapters": {"nfs": {"enabled": False}, "smb": {"enabled": True, "port": 2049}}},
    {"adapters": {"api": {"port": 443}}},
    service(type="LoadBalancer", loadBalancerClass="a/b", loadBalancerSourceRanges=["10.0.0.0/8", "fd00::/8"]),
    service(type="NodePort", nodePort=32049, externalTrafficPolicy="Local"),
    service(loadBalancerSourceRanges=[]),
    {"adapters": {"nfs": node_port(32049), "api": node_port(32080)}},
    {"adapters": {"nfs": node_port(32049), "smb": node_port(32049)}},
    {"adapters": {"nfs": {"enabled": False, **node_port(32049)}, "api": node_port(32049)}},
    {"resources": {"requests": {"cpu": "500m", "memory": 1073741824}, "limits": {"cpu": 2}}},
    {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]},
    {"auth": {"adminSecretRef": {"name": "mine"}, "jwtSecretRef": {"name": "mine", "key": "jwt"}}},
    {"metrics": {"port": 2049}},
    tls(secretName=""),
    {"adapters": {"nfs": {"settings": {"lease_time": 60, "blocked_operations": ["MKNOD"]}}}},
    tls(secretName="a", clientCASecretName="b", clientSecretName="c"),
    accounts(users=[user("alice", 1001), user("bob", 1002)], groups=[{"name": "staff", "gid": 3000}]),
    s3(),
    s3(cache={}, endpoint="http://minio.storage.svc:9000", prefix="a/b", allowPrivateEndpoint=True),
    s3(cache={"size": "1Gi", "storage": {"storageClassName": "fast"}}, endpoint="https://[fd00::1]:9000/"),
    s3(forcePathStyle=False, region="eu-west-1", caSecretRef={"name": "ca"}, prefix="a/"),
    {"database": {"postgresRef": {"name": "pg"}}},
    {"database": {"postgresSecretRef": {"name": "pg", "sslMode": "disable"}}},
    {"configOverrides": {"gc": {"auto_interval": "5m"}, "controlplane": {"jwt": {"other": 1}}}},
    {"networkPolicy": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}},
    pod(securityContext={}, labels={"example.com/a": "b"}, affinity={"nodeAffinity": {}}),
    pod(
        extraEnv=[
            {"name": "DITTOFS_LDAP_BIND_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
            {"name": "TZ", "value": ""},
        ]
    ),
    pod(extraVolumes=[{"name": "a", "emptyDir": {}}], extraVolumeMounts=[{"name": "a", "mountPath": "/database"}]),
    pod(containerSecurityContext={"seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"}}),
)

#: With what the refusal says.
BAD: tuple[tuple[Spec, str], ...] = (
    ({"metadata": {"type": "memory"}}, "metadata.type and payload.type must both be memory or neither"),
    ({"payload": {"type": "memory"}}, "metadata.type and payload.type must both be memory or neither"),
    ({"metadata": {"type": "postgres"}}, 'spec.metadata.type: Unsupported value: "postgres"'),
    ({"payload": {"type": "s3"}}, f"spec.payload.s3: Invalid value: {S3_WITH_TYPE}"),
    ({"payload": {"s3": s3()["payload"]["s3"]}}, f"spec.payload.s3: Invalid value: {S3_WITH_TYPE}"),
    ({**s3(), "metadata": {"type": "memory"}}, "metadata.type and payload.type must both be memory or neither"),
    (s3(bucket=None), "spec.payload.s3.bucket: Required value"),
    (s3(credentialsSecretRef=None), "spec.payload.s3.credentialsSecretRef: Required value"),
    (s3(credentialsSecretRef={}), "spec.payload.s3.credentialsSecretRef.name: Required value"),
    *((s3(bucket=bucket), "spec.payload.s3.bucket: Invalid value") for bucket in ("a/b", "-ab", "with space")),
    *(
        (s3(endpoint=endpoint), "spec.payload.s3.endpoint: Invalid value")
        for endpoint in (
            "s3.example.com",
            "ftp://s3.example.com",
            "https://user:password@s3.example.com",
            "http://a/b",
        )
    ),
    *(
        (s3(prefix=prefix), "spec.payload.s3.prefix: Invalid value")
        for prefix in ("/", "/a", "a//b", "a b", "../a", "a/./b")
    ),
    (s3(cache={"size": "lots"}), f'spec.cache.size: Invalid value: "lots": {SIZE}'),
    ({"cache": {}}, "spec.cache: Invalid value: cache belongs to payload.type s3"),
    ({**MEMORY, "cache": {}}, "spec.cache: Invalid value: cache belongs to payload.type s3"),
    ({"database": {}}, ONE_DATABASE),
    ({"database": {"sqlite": {}, "postgresRef": {"name": "pg"}}}, ONE_DATABASE),
    ({"database": {"postgresRef": {"name": "pg", "sslMode": "disable"}}}, "sslMode: Unsupported value"),
    *((payload(size=size), SIZE) for size in ("abc", "10GB", "0Gi", "-1Gi", "500m", 5, "")),
    *(({"shutdownTimeout": text}, DURATION) for text in ("30", "1d", "0s", "-5s", "", "99999999h")),
    ({"auth": {"accessTokenDuration": "7d"}}, f'spec.auth.accessTokenDuration: Invalid value: "7d": {DURATION}'),
    ({"replicas": 2}, "spec.replicas: Invalid value: 2: "),
    ({"replicas": -1}, "spec.replicas: Invalid value: -1: "),
    ({"image": "dittofs v1"}, "must be a container image such as marmos91c/dittofs:v0.29.0"),
    ({"image": ""}, "spec.image: Invalid value"),
    ({"adapters": {"smb": {"enabled": True, "port": 2049}}}, PORTS),
    ({"adapters": {"api": {"port": 2049}}}, PORTS),
    ({"adapters": {"smb": {"enabled": True, "port": 8080}}}, PORTS),
    ({"adapters": {"nfs": {"port": 0}}}, "spec.adapters.nfs.port: Invalid value: 0: "),
    ({"adapters": {"nfs": {"port": 65536}}}, "spec.adapters.nfs.port: Invalid value: 65536: "),
    ({"adapters": {"nfs": node_port(32049), "api": node_port(32049)}}, NODE_PORTS),
    ({"adapters": {"nfs": node_port(32049), "smb": {"enabled": True, **node_port(32049)}}}, NODE_PORTS),
    (
        {
            "adapters": {
                "nfs": {"enabled": False},
                "smb": {"enabled": True, **node_port(32049)},
                "api": node_port(32049),
            }
        },
        NODE_PORTS,
    ),
    (service(loadBalancerClass="a/b"), "service.loadBalancerClass works with service.type LoadBalancer only"),
    (
        service(type="NodePort", loadBalancerSourceRanges=["10.0.0.0/8"]),
        "service.loadBalancerSourceRanges works with service.type LoadBalancer only",
    ),
    (service(type="LoadBalancer", loadBalancerSourceRanges=["everyone"]), "loadBalancerSourceRanges[0]"),
    (service(nodePort=32049), "service.nodePort works with service.type NodePort or LoadBalancer only"),
    (
        service("api", externalTrafficPolicy="Local"),
        "service.externalTrafficPolicy works with service.type NodePort or LoadBalancer only",
    ),
    ({"resources": {"limits": {"memory": "lots"}}}, "must be a quantity such as 500m, 2 or 4Gi"),
    ({"imagePullSecrets": [{"name": "a"}, {"name": "a"}]}, "spec.imagePullSecrets[1]: Duplicate value"),
    ({"auth": {"jwtSecretRef": {"key": "jwt"}}}, "spec.auth.jwtSecretRef.name: Required value"),
    ({"auth": {"jwtSecretRef": {"name": "Not_A_Name"}}}, "spec.auth.jwtSecretRef.name: Invalid value"),
    ({"logging": {"level": "TRACE"}}, 'spec.logging.level: Unsupported value: "TRACE"'),
    ({"volumeRetention": "Maybe"}, "spec.volumeRetention: Unsupported value"),
    ({"metrics": {"enabled": True, "port": 2049}}, PORTS),
    ({"metrics": {"enabled": True, "port": 8080}}, PORTS),
    ({"metrics": {"path": "metrics"}}, "spec.metrics.path: Invalid value"),
    ({"configOverrides": {"controlplane": {"jwt": {"secret": "x"}}}}, "use auth.jwtSecretRef"),
    ({"configOverrides": {"ldap": {"bind_password": "x"}}}, "use pod.extraEnv DITTOFS_LDAP_BIND_PASSWORD"),
    ({"configOverrides": {"ldap": "x"}}, "spec.configOverrides.ldap: Invalid value"),
    (
        {"adapters": {"nfs": {"settings": {"v4_max_minor_version": 1}}}},
        "but never stores them: remove them",
    ),
    (tls(clientCASecretName="a", clientSecretName="b"), "tls.clientCASecretName needs tls.secretName"),
    (tls(secretName="a", clientCASecretName="b"), "tls.clientCASecretName needs tls.clientSecretName"),
    (tls(secretName="Not_A_Name"), "tls.secretName: Invalid value"),
    (accounts(users=[user("admin", 1)]), "the user admin is the server's own"),
    (accounts(users=[user("a", 1), user("b", 1)]), "each uid may be given once"),
    (accounts(users=[user("a", 0)]), "uid: Invalid value: 0"),
    (accounts(users=[{"name": "a", "uid": 1, "gid": 1}]), "passwordSecretRef: Required value"),
    (accounts(groups=[{"name": "users", "gid": 5}]), "are the server's own: choose others"),
    (accounts(groups=[{"name": "a", "gid": 1000}]), "are the server's own: choose others"),
    (accounts(groups=[{"name": "a", "gid": 5}, {"name": "b", "gid": 5}]), "each gid may be given once"),
    (pod(labels={"app.kubernetes.io/name": "x"}), "are the operator's own; choose another prefix"),
    (pod(annotations={"dittofs.dittofs.io/config-hash": "x"}), "are the operator's own; choose another prefix"),
    (pod(securityContext={"runAsUser": 0}), "spec.pod.securityContext.runAsUser: Invalid value: 0"),
    (
        pod(securityContext={"seccompProfile": {"type": "Unconfined"}}),
        'spec.pod.securityContext.seccompProfile.type: Unsupported value: "Unconfined"',
    ),
    (
        pod(securityContext={"seccompProfile": {"type": "Localhost"}}),
        "localhostProfile belongs to type Localhost, which needs it",
    ),
    (pod(extraEnv=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]), "each name may be given once"),
    (pod(extraEnv=[{"name": "DITTOFS_METRICS_ENABLED", "value": "1"}]), "pod.extraEnv must not set"),
    (pod(extraEnv=[{"name": "A", "valueFrom": {}}]), "exactly one of secretKeyRef, configMapKeyRef and fieldRef"),
    (
        pod(extraEnv=[{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]),
        "value and valueFrom exclude each other",
    ),
    (pod(extraVolumes=[{"name": "a", "hostPath": {"path": "/"}}]), "restricted Pod Security Standard"),
    (pod(extraVolumes=[{"name": "a", "emptyDir": {}, "secret": {}}]), "exactly one of configMap, csi"),
    (pod(extraVolumes=[{"name": "payload", "emptyDir": {}}]), "are the operator's own volumes"),
    (pod(extraVolumeMounts=[{"name": "a", "mountPath": "/data"}]), "mountPath must be outside of /data"),
    (pod(extraVolumeMounts=[{"name": "a", "mountPath": "/data/x"}]), "mountPath must be outside of /data"),
    (pod(extraVolumeMounts=[{"name": "a", "mountPath": "/x/../data"}]), "mountPath: Invalid value"),
)

#: Before and after.
CHANGES: tuple[tuple[Spec, Spec], ...] = (
    ({}, payload(size="51Gi")),
    (payload(size="10Gi"), payload(size="10240Mi")),
    ({}, {"replicas": 0, "image": "marmos91c/dittofs:v0.30.0", "suspend": True}),
    ({}, {"adapters": {"smb": {"enabled": True}}}),
    (service(type="LoadBalancer", loadBalancerClass="a"), service(type="ClusterIP")),
    (service(type="ClusterIP"), service(type="LoadBalancer", loadBalancerClass="b")),
    ({}, {"database": None}),
    ({}, {"volumeRetention": "Delete"}),
    (s3(), s3(region="eu", forcePathStyle=True, allowPrivateEndpoint=True, caSecretRef={"name": "ca"})),
    (s3(), s3(credentialsSecretRef={"name": "others"})),
    (s3(), s3(prefix="")),
    (s3(), s3(cache={})),
    (s3(), s3(cache={"size": "1Gi", "storage": {"size": "20Gi"}})),
    (s3(cache={}), s3(cache={"size": "1Gi", "storage": {"size": "11Gi"}})),
)

#: Before, after, and what the refusal says.
FIXED: tuple[tuple[Spec, Spec, str], ...] = (
    (payload(size="10Gi"), payload(size="9Gi"), f"spec.payload.storage.size: Invalid value: {GROW}"),
    (payload(size="60Gi"), {}, GROW),
    (payload(size="60Gi"), payload(size=None), GROW),
    ({}, {"database": {"sqlite": {"storage": {"size": "1Mi"}}}}, GROW),
    ({}, {"metadata": {"storage": {"size": "1Gi"}}}, GROW),
    ({}, {"database": {"postgresRef": {"name": "pg"}}}, "the kind of database is fixed"),
    ({"database": {"postgresRef": {"name": "pg"}}}, {}, "the kind of database is fixed"),
    ({}, payload(storageClassName="fast"), CLASS),
    (payload(storageClassName="fast"), {}, CLASS),
    (payload(storageClassName="fast"), payload(storageClassName="slow"), CLASS),
    ({}, {"metadata": {"type": "sqlite"}}, "metadata.type is fixed; create a new DittoFS and restore into it"),
    ({"metadata": {"type": "sqlite"}}, {"metadata": None}, "metadata.type is fixed"),
    ({}, s3(), "payload.type is fixed; create a new DittoFS and restore into it"),
    (s3(), {}, "payload.type is fixed; create a new DittoFS and restore into it"),
    *((s3(**before), s3(**after), S3_FIXED.format(field=field)) for field, before, after in _ANOTHER_PLACE),
    (s3(cache={}), s3(), "cache cannot be removed; set its fields instead"),
    (s3(cache={}), s3(cache={"storage": {"size": "9Gi"}}), f"spec.cache.storage.size: Invalid value: {GROW}"),
    (s3(cache={}), s3(cache={"storage": {"storageClassName": "fast"}}), CLASS),
    (s3(), s3(cache={"storage": {"size": "9Gi"}}), "its cache has a volume of 10Gi of the default class"),
    (
        s3(),
        s3(cache={"storage": {"storageClassName": "a"}}),
        "its cache has a volume of 10Gi of the default class",
    ),
    ({}, MEMORY, "payload.type is fixed; create a new DittoFS and restore into it"),
    (
        service(type="LoadBalancer", loadBalancerClass="a"),
        service(type="LoadBalancer", loadBalancerClass="b"),
        "service.loadBalancerClass is fixed while service.type is LoadBalancer",
    ),
    (
        service(type="LoadBalancer", loadBalancerClass="a"),
        service(type="LoadBalancer"),
        "service.loadBalancerClass is fixed while service.type is LoadBalancer",
    ),
)

GOOD_NAMES = ("a", "demo", "demo-1", "a" * 44)

BAD_NAMES: tuple[tuple[str, str], ...] = (
    ("a" * 45, "metadata.name must be at most 44 characters"),
    ("my.demo", "metadata.name must start with a letter and hold only a-z, 0-9 and '-' (no dots)"),
    ("1demo", "metadata.name must start with a letter and hold only a-z, 0-9 and '-' (no dots)"),
)

QUOTA_ID = "id is the uid or gid that the scope user or group is about; remove it with default-user"


def _permissions(*holders: Spec) -> Spec:
    return {"permissions": [{**holder, "level": "read"} for holder in holders]}


def _quota(**quota: Any) -> Spec:
    return {"quotas": [quota]}


def _clients(*clients: str) -> Spec:
    return {"nfs": {"allowedClients": list(clients)}}


def _exclude(*patterns: str) -> Spec:
    return {"trash": {"excludePatterns": list(patterns)}}


def _snapshots(**policy: Any) -> Spec:
    return {"snapshotPolicy": policy}


SHARE: Spec = {"instanceRef": {"name": "demo"}}

INTERVAL = "must be @hourly, @daily, @weekly or a duration of at least 1m"
GLOB = "must be a pattern for names of files such as *.tmp"

#: What is added to `SHARE`.
GOOD_SHARES: tuple[Spec, ...] = (
    {"path": "/a"},
    {"path": "/a/b.c/_d-e"},
    {"path": "/" + "a" * 26},
    {"quota": {"size": "1Gi"}},
    {"quota": None},
    _permissions({"user": "x"}, {"group": "x"}, {"sid": "S-1-5-21-1-2-3-1001"}),
    _quota(scope="user", id=1001, hardSize="10Gi", softSize="10Gi", hardFiles=2, softFiles=2, grace="168h"),
    _quota(scope="default-user", hardFiles=1),
    {"quotas": [{"scope": scope, "id": 7, "hardFiles": 1} for scope in ("user", "group")]},
    _clients("10.0.0.1", "10.1.2.3/8", "fd00::1", "::/0", "fd00::/8", "host", "a.b-c.example", "1.a"),
    {"nfs": {"anonymousUID": 0, "anonymousGID": 4294967295, "minKerberosLevel": "krb5p"}},
    {"owner": ""},
    {"owner": "alice"},
    {"deletionPolicy": "Delete"},
    {"smb": {"encryptData": True, "allowMfsymlink": True}},
    {"retention": {"policy": "ttl", "ttl": "1500ms"}},
    {"retention": {"policy": "pin", "ttl": ""}},
    {"cache": {"localSize": "8Gi", "readBuffer": 67108864}},
    {"cache": {"localSize": "", "readBuffer": ""}},
    {"blockedOperations": ["WRITE", "READ", "OPLOCK_BREAK", "NULL"]},
    {"blockedOperations": [operation.value for operation in BlockableOperation]},
    {"trash": {}},
    {"trash": {"enabled": False, "retentionDays": 0, "maxSize": "1Gi", "restrictToAdmin": True}},
    _exclude("*.tmp", "~$*", "[Tt]humbs.db", "[^^]", "[!a]", "a]", "-", "[[]", "**", r"\*", r"[a-c\]\-x]?", "é"),
    {"snapshotPolicy": {}},
    *(_snapshots(interval=interval) for interval in ("@hourly", "@daily", "@weekly", "1m", "0.5h", "1h30m", "168h")),
    _snapshots(keepLast=0, ttl="", namePrefix="A-b_9"),
    _snapshots(ttl="720h", keepLast=10000, namePrefix="a" * 64),
)

BAD_SHARES: tuple[tuple[Spec, str], ...] = (
    *(({"path": path}, "spec.path: Invalid value") for path in ("/", "a", "/a:b", "/../x", "/a/", "//a", "/a b", "")),
    ({"path": "/" + "a" * 27}, "spec.path: Too long"),
    ({"quota": {"size": "10GB"}}, f'spec.quota.size: Invalid value: "10GB": {SIZE}'),
    ({"quota": {}}, "spec.quota.size: Required value"),
    ({"nfs": {"squash": "root"}}, "spec.nfs.squash: Unsupported value"),
    (_permissions({"user": "x", "group": "y"}), "exactly one of user, group and sid must be set"),
    (_permissions({}), "exactly one of user, group and sid must be set"),
    (_permissions({"user": "x"}, {"user": "x"}), "each user, group and sid may be named once"),
    (_permissions({"sid": "S-2"}), "spec.permissions[0].sid: Invalid value"),
    ({"permissions": [{"user": "x"}]}, "spec.permissions[0].level: Required value"),
    ({"permissions": [{"user": "x", "level": "write"}]}, "spec.permissions[0].level: Unsupported value"),
    (_quota(scope="user", hardFiles=1), QUOTA_ID),
    (_quota(scope="default-user", id=1, hardFiles=1), QUOTA_ID),
    (_quota(scope="user", id=1), "at least one of hardSize, softSize, hardFiles and softFiles must be set"),
    (_quota(scope="user", id=1, hardSize="1Gi", softSize="2Gi"), "softSize must not exceed hardSize"),
    (_quota(scope="user", id=1, hardFiles=1, softFiles=2), "softFiles must not exceed hardFiles"),
    (_quota(scope="user", id=1, hardFiles=1, grace="1h"), "grace is about softSize and softFiles"),
    (_quota(scope="user", id=0, hardFiles=1), "spec.quotas[0].id: Invalid value"),
    (
        {"quotas": [{"scope": "user", "id": 7, "hardFiles": files} for files in (1, 2)]},
        "each user, group and default-user may have one quota",
    ),
    *(
        (_clients(client), "spec.nfs.allowedClients[0]: Invalid value")
        for client in ("10.0.0.1.2", "10.0.0", "a b", "*.example", "host/8", "10.0.0.0/", "-a", "a..b")
    ),
    ({"nfs": {"minKerberosLevel": "krb"}}, "spec.nfs.minKerberosLevel: Unsupported value"),
    ({"nfs": {"anonymousUID": -1}}, "spec.nfs.anonymousUID: Invalid value"),
    ({"owner": "a b"}, "spec.owner: Invalid value"),
    ({"smb": {"encryptData": "yes"}}, "spec.smb.encryptData: Invalid value"),
    ({"retention": {"policy": "fifo"}}, "spec.retention.policy: Unsupported value"),
    ({"retention": {"policy": "ttl"}}, "ttl is about the policy ttl: set both or remove ttl"),
    ({"retention": {"ttl": "72h"}}, "ttl is about the policy ttl: set both or remove ttl"),
    ({"retention": {"policy": "ttl", "ttl": "3d"}}, "spec.retention.ttl: Invalid value"),
    ({"cache": {"localSize": "10GB"}}, "must be empty or a quantity of at least 1Mi, such as 10Gi"),
    ({"cache": {"readBuffer": 0}}, "must be empty or a quantity of at least 1Mi, such as 10Gi"),
    ({"blockedOperations": ["write"]}, "spec.blockedOperations[0]: Unsupported value"),
    ({"blockedOperations": ["READ", "READ"]}, "each operation may be named once"),
    *(
        (_exclude(pattern), GLOB)
        for pattern in (
            "[a",
            "[]",
            "[]a]",
            "[a-]",
            "[-a]",
            "[^]",
            "[^-a]",
            "[a-b-c]",
            "[a\\",
            "x\\",
            "a/b",
            "[",
            r"[\]",
        )
    ),
    (_exclude(""), "spec.trash.excludePatterns[0]"),
    ({"trash": {"retentionDays": -1}}, "spec.trash.retentionDays: Invalid value"),
    ({"trash": {"maxSize": "0"}}, f'spec.trash.maxSize: Invalid value: "0": {SIZE}'),
    *(
        (_snapshots(interval=interval), INTERVAL)
        for interval in ("", "1d", "30", "59s", "0s", "-1h", "@monthly", "@Daily", "24h ", "0 3 * * *")
    ),
    *((_snapshots(ttl=ttl), "must be empty or a positive duration") for ttl in ("0", "0s", "7d", "-1h")),
    (_snapshots(keepLast=-1), "spec.snapshotPolicy.keepLast: Invalid value"),
    *(
        (_snapshots(namePrefix=prefix), "spec.snapshotPolicy.namePrefix")
        for prefix in ("", "a b", "a/b", "../x", "a" * 65)
    ),
    ({"deletionPolicy": "Keep"}, "spec.deletionPolicy: Unsupported value"),
    ({"defaultPermission": "write"}, "spec.defaultPermission: Unsupported value"),
    ({"instanceRef": {"name": "Demo"}}, "spec.instanceRef.name: Invalid value"),
    ({"instanceRef": {}}, "spec.instanceRef.name: Required value"),
)

MOVED_SHARES: tuple[tuple[Spec, Spec, str], ...] = (
    ({"path": "/a"}, {"path": "/b"}, "spec.path: Invalid value: path is fixed; create another DittoFSShare"),
    ({"path": "/a"}, {}, "path is fixed; create another DittoFSShare"),
    ({}, {"path": "/demo"}, "path is fixed; create another DittoFSShare"),
    ({}, {"instanceRef": {"name": "other"}}, "instanceRef is fixed; create another DittoFSShare"),
    ({}, {"owner": "alice"}, "owner is fixed; create another DittoFSShare"),
    ({"owner": "alice"}, {}, "owner is fixed; create another DittoFSShare"),
)

BACKUP: Spec = {"instanceRef": {"name": "demo"}}

SCHEDULES = ("", "0 3 * * *", "*/5 0-6,12 1,15 JAN-mar ?", "0  3  *  *  *", "@hourly", "@yearly", "@midnight")
SCHEDULE_FORM = "must be five cron fields such as '0 3 * * *', or @hourly, @daily, @weekly, @monthly, @yearly"

TARGET: Spec = {"pvc": {"size": "10Gi"}}
ARCHIVE: Spec = {"method": "Archive", "target": TARGET}
BUCKET: Spec = {"bucket": "archives", "credentialsSecretRef": {"name": "keys"}}


def to_target(**target: Any) -> Spec:
    return {"method": "Archive", "target": target}


ONE_TARGET = "exactly one of target.pvc and target.s3 must be set"
ONE_CLAIM = "exactly one of pvc.claimName and pvc.size must be set"
TARGET_FIXED = "target is fixed; create another DittoFSBackup"
METHOD_FIXED = "method and target are fixed; create another DittoFSBackup"

RESTORE: Spec = {"operation": "Restore", "restore": {"backupRef": {"name": "kept"}}}
ARCHIVED: Spec = {"id": "kept-1", "pvc": {"claimName": "archives"}}
FROM_ARCHIVE: Spec = {"operation": "Restore", "restore": {"archive": ARCHIVED}}
ONE_SOURCE = "exactly one of restore.backupRef and restore.archive must be set"
RESTORE_GIVEN = "restore says what is restored: set it with operation Restore, and with no other"

#: What is added to `BACKUP`.
GOOD_BACKUPS: tuple[Spec, ...] = (
    {"shares": ["a", "b.c"]},
    {"operation": "Backup", "method": "Snapshot", "deletionPolicy": "Retain"},
    {"suspend": True},
    *({"schedule": schedule} for schedule in SCHEDULES),
    {
        "schedule": "@daily",
        "timeZone": "America/Argentina/Buenos_Aires",
        "retention": {"keepLast": 1, "maxAge": "720h"},
    },
    {"schedule": "@daily", "retention": {"maxAge": ""}},
    RESTORE,
    RESTORE | {"shares": ["a"], "restore": {"backupRef": {"name": "kept"}, "acceptNonDurable": True}},
    ARCHIVE,
    ARCHIVE | {"shares": [], "schedule": "@weekly", "compression": "none", "encryption": {}},
    ARCHIVE | {"encryption": {"keySecretRef": {"name": "key"}}, "job": {"activeDeadline": "30m"}},
    ARCHIVE | {"job": {"resources": {"limits": {"memory": "1Gi"}}, "tolerations": [{"operator": "Exists"}]}},
    FROM_ARCHIVE,
    FROM_ARCHIVE | {"encryption": {"keySecretRef": {"name": "key"}}, "job": {"activeDeadline": "1h"}},
    {"operation": "Restore", "restore": {"archive": {"id": "a", "s3": BUCKET}, "createShares": False}},
    to_target(pvc={"claimName": "archives"}),
    to_target(pvc={"size": "1Gi", "storageClassName": "slow"}),
    to_target(s3=BUCKET),
    to_target(s3=BUCKET | {"endpoint": "https://s3.example.com", "prefix": "a/b/", "caSecretRef": {"name": "ca"}}),
)

BAD_BACKUPS: tuple[tuple[Spec, str], ...] = (
    ({"instanceRef": {}}, "spec.instanceRef.name: Required value"),
    ({"instanceRef": {"name": "Demo"}}, "spec.instanceRef.name: Invalid value"),
    ({"operation": "Undo"}, "spec.operation: Unsupported value"),
    ({"operation": "Restore"}, RESTORE_GIVEN),
    ({"restore": RESTORE["restore"]}, RESTORE_GIVEN),
    ({"operation": "Restore", "restore": {}}, ONE_SOURCE),
    (RESTORE | {"restore": {"backupRef": {"name": "kept"}, "archive": ARCHIVED}}, ONE_SOURCE),
    (FROM_ARCHIVE | {"shares": ["a"]}, "an archive is restored as a whole; leave shares empty"),
    (FROM_ARCHIVE | {"restore": {"archive": {"id": "kept-1"}}}, "exactly one of archive.pvc and archive.s3"),
    (FROM_ARCHIVE | {"restore": {"archive": ARCHIVED | {"id": "../a"}}}, "spec.restore.archive.id: Invalid value"),
    (FROM_ARCHIVE | {"restore": {"archive": {"id": "a", "pvc": {}}}}, "claimName: Required value"),
    (FROM_ARCHIVE | {"target": TARGET}, "target must be set exactly when method is Archive"),
    (RESTORE | {"encryption": {"keySecretRef": {"name": "key"}}}, "encryption is of archives"),
    (
        {"operation": "Restore", "restore": {"backupRef": {"name": "Kept"}}},
        "spec.restore.backupRef.name: Invalid value",
    ),
    (RESTORE | {"schedule": "@daily"}, "a restore happens once: remove schedule"),
    (RESTORE | ARCHIVE, "method and target are of backups; restore says what is restored"),
    ({"method": "Archive"}, "target must be set exactly when method is Archive"),
    ({"target": TARGET}, "target must be set exactly when method is Archive"),
    (ARCHIVE | {"shares": ["a"]}, "an archive is of the whole instance; leave shares empty"),
    ({"encryption": {"keySecretRef": {"name": "key"}}}, "encryption is of archives"),
    (to_target(), ONE_TARGET),
    (to_target(pvc={"size": "1Gi"}, s3=BUCKET), ONE_TARGET),
    (to_target(pvc={}), ONE_CLAIM),
    (to_target(pvc={"claimName": "a", "size": "1Gi"}), ONE_CLAIM),
    (to_target(pvc={"claimName": "a", "storageClassName": "b"}), "pvc.storageClassName goes with pvc.size"),
    (to_target(pvc={"size": "10"}), SIZE),
    (to_target(s3={"bucket": "archives"}), "spec.target.s3.credentialsSecretRef: Required value"),
    (to_target(s3=BUCKET | {"endpoint": "s3.example.com"}), "spec.target.s3.endpoint: Invalid value"),
    (ARCHIVE | {"compression": "gzip"}, "spec.compression: Unsupported value"),
    (ARCHIVE | {"job": {"activeDeadline": "1d"}}, DURATION),
    ({"deletionPolicy": "Orphan"}, "spec.deletionPolicy: Unsupported value"),
    ({"shares": ["a", "a"]}, 'spec.shares[1]: Duplicate value: "a"'),
    ({"shares": ["/a"]}, "spec.shares[0]: Invalid value"),
    ({"shares": [f"a{number}" for number in range(257)]}, "spec.shares: Too many"),
    *(
        ({"schedule": schedule}, SCHEDULE_FORM)
        for schedule in ("* * * *", "* * * * * *", "@never", "every day", " 0 3 * * *", "0 3 * * *;", "@Daily")
    ),
    ({"schedule": "0 " * 60}, "spec.schedule: Too long"),
    ({"timeZone": ""}, "spec.timeZone: Invalid value"),
    ({"retention": {"keepLast": 0}}, "spec.retention.keepLast: Invalid value"),
    ({"retention": {"maxAge": "30d"}}, "must be empty or a positive duration"),
    ({"retention": {"maxAge": "0s"}}, "must be empty or a positive duration"),
)

MOVED_BACKUPS: tuple[tuple[Spec, Spec, str], ...] = (
    ({}, {"instanceRef": {"name": "other"}}, "instanceRef is fixed; create another DittoFSBackup"),
    ({}, {"schedule": "@daily"}, "a one-shot backup cannot become a schedule"),
    ({"schedule": "@daily"}, {}, "nor a schedule a one-shot backup"),
    (RESTORE, {}, "operation is fixed; create another DittoFSBackup"),
    (RESTORE, RESTORE | {"restore": {"backupRef": {"name": "other"}}}, "restore is fixed"),
    (ARCHIVE, {}, METHOD_FIXED),
    ({}, ARCHIVE, METHOD_FIXED),
    (ARCHIVE, to_target(pvc={"size": "20Gi"}), TARGET_FIXED),
    (ARCHIVE, to_target(s3=BUCKET), TARGET_FIXED),
)

SCHEDULE_NAME = "metadata.name of a scheduled backup must be at most 36 characters"
