"""The tools of a made product that runs applications on clusters, and questions with the tool that answers each."""

import json

from lightspeed_stack.backends.base import ToolSpec
from lightspeed_stack.tools.base import Tool

# name: what it does (arguments)
OPERATIONS = """
pods_list: List the pods of a namespace with their state (namespace, label_selector)
pods_get: Get one pod with its containers, conditions and events (namespace, name)
pods_delete: Delete a pod; its controller makes a new one (namespace, name)
pods_log: Read the last lines a container has written (namespace, name, container, tail)
pods_exec: Run a command inside a container (namespace, name, command)
pods_top: Show CPU and memory that pods use right now (namespace)
pods_evict: Evict a pod respecting its disruption budget (namespace, name)
nodes_list: List the machines of the cluster (label_selector)
nodes_get: Get one node with its capacity, conditions and taints (name)
nodes_cordon: Mark a node as unschedulable (name)
nodes_uncordon: Make a node schedulable again (name)
nodes_drain: Move all workloads off a node before maintenance (name, timeout)
nodes_top: Show CPU and memory that nodes use right now ()
nodes_taint: Add a taint to a node or remove it (name, key, value, effect)
nodes_label: Set labels of a node (name, labels)
deployments_list: List deployments with their replicas (namespace)
deployments_get: Get one deployment with its template and status (namespace, name)
deployments_create: Create a deployment from an image (namespace, name, image, replicas)
deployments_scale: Change the number of replicas of a deployment (namespace, name, replicas)
deployments_restart: Restart all pods of a deployment one by one (namespace, name)
deployments_rollback: Return a deployment to an earlier revision (namespace, name, revision)
deployments_history: List the revisions of a deployment (namespace, name)
deployments_pause: Pause the rollout of a deployment (namespace, name)
deployments_set_image: Update the container image of a deployment (namespace, name, image)
deployments_delete: Delete a deployment with its pods (namespace, name)
statefulsets_list: List stateful sets (namespace)
statefulsets_scale: Change the number of replicas of a stateful set (namespace, name, replicas)
daemonsets_list: List daemon sets, which run on every node (namespace)
daemonsets_restart: Restart the pods of a daemon set (namespace, name)
jobs_list: List batch jobs and whether they succeeded (namespace)
jobs_create: Start a batch job from an image (namespace, name, image, command)
jobs_delete: Delete a batch job (namespace, name)
cronjobs_list: List scheduled jobs with their next run (namespace)
cronjobs_create: Run a job on a schedule, such as every night (namespace, name, schedule, image)
cronjobs_suspend: Stop a scheduled job from starting (namespace, name)
cronjobs_trigger: Start a scheduled job at once (namespace, name)
services_list: List services with their ports and addresses (namespace)
services_get: Get one service with its endpoints (namespace, name)
services_create: Expose pods under a stable address inside the cluster (namespace, name, port, selector)
services_delete: Delete a service (namespace, name)
ingresses_list: List HTTP routes from outside with their host names (namespace)
ingresses_create: Make a service reachable from the internet under a host name (namespace, host, service, port)
ingresses_delete: Delete an HTTP route (namespace, name)
gateways_list: List gateways and their listeners (namespace)
network_policies_list: List the rules which pods may talk to each other (namespace)
network_policies_create: Allow or block traffic between pods (namespace, name, from, to)
dns_lookup: Resolve a host name from inside the cluster (host)
dns_records_create: Create a record in a DNS zone (zone, name, type, value)
port_forward_open: Forward a local port to a pod (namespace, name, port)
certificates_list: List TLS certificates with their expiry dates (namespace)
certificates_renew: Renew a TLS certificate ahead of its expiry (namespace, name)
certificates_request: Request a new TLS certificate for a host name (namespace, host, issuer)
configmaps_list: List configuration maps (namespace)
configmaps_get: Read the values of a configuration map (namespace, name)
configmaps_update: Change values of a configuration map (namespace, name, values)
secrets_list: List the names of secrets, without values (namespace)
secrets_create: Store a secret such as a password or token (namespace, name, values)
secrets_rotate: Replace a secret with a newly generated one (namespace, name)
secrets_delete: Delete a secret (namespace, name)
volumes_list: List persistent volumes with their size and state ()
volume_claims_list: List claims on storage (namespace)
volume_claims_create: Ask for persistent storage (namespace, name, size, storage_class)
volume_claims_resize: Make a persistent volume larger (namespace, name, size)
volume_snapshots_create: Take a snapshot of a persistent volume (namespace, claim)
volume_snapshots_restore: Make a volume from a snapshot (namespace, snapshot, claim)
storage_classes_list: List the kinds of storage that can be asked for ()
namespaces_list: List namespaces ()
namespaces_create: Create a namespace (name)
namespaces_delete: Delete a namespace with everything in it (name)
quotas_get: Show how much of its limits a namespace uses (namespace)
quotas_set: Limit CPU, memory and objects of a namespace (namespace, cpu, memory)
limit_ranges_set: Set default requests and limits of containers (namespace, cpu, memory)
autoscalers_list: List horizontal autoscalers (namespace)
autoscalers_create: Scale a deployment automatically by load (namespace, deployment, minimum, maximum, target)
autoscalers_delete: Delete a horizontal autoscaler (namespace, name)
cluster_autoscaler_configure: Set how many machines the cluster may grow to (minimum, maximum)
disruption_budgets_list: List how many pods may be down at once (namespace)
disruption_budgets_create: Require a number of pods to stay up during maintenance (namespace, name, available)
events_list: List recent events, such as failed scheduling or image pulls (namespace, since)
events_watch: Follow events as they happen (namespace)
users_list: List the people who may log in ()
users_invite: Invite somebody by e-mail (email, role)
users_remove: Remove somebody's account (email)
roles_list: List roles and what they permit (namespace)
roles_create: Define a role with its permissions (namespace, name, rules)
role_bindings_list: List who has which role (namespace)
role_bindings_create: Give a role to a user, group or service account (namespace, role, subject)
role_bindings_delete: Take a role away (namespace, name)
access_check: Tell whether somebody may do something (user, verb, resource, namespace)
service_accounts_list: List accounts of programs (namespace)
service_accounts_create: Create an account for a program (namespace, name)
service_account_tokens_issue: Issue a short-lived token for a service account (namespace, name, duration)
audit_log_search: Search who changed what and when (user, verb, resource, since)
alerts_list: List alerts that fire right now (severity)
alerts_silence: Silence an alert for some time (name, duration, comment)
alert_rules_create: Define when an alert fires (name, expression, severity)
metrics_query: Evaluate a PromQL expression at one moment (query, time)
metrics_query_range: Evaluate a PromQL expression over time (query, start, end, step)
metrics_series_list: List the names of metrics (match)
dashboards_list: List dashboards ()
dashboards_create: Create a dashboard from panels (title, panels)
logs_search: Search the logs of all applications for a text (query, namespace, since)
logs_retention_set: Set how long logs are kept (days)
traces_search: Find slow or failed requests across services (service, minimum_duration, since)
traces_get: Show one request through all services, span by span (trace_id)
images_list: List container images in the registry (repository)
images_scan: Scan an image for known vulnerabilities (image)
images_delete: Delete an image from the registry (image)
image_pull_secrets_create: Store the login for a private registry (namespace, registry, username, password)
helm_releases_list: List installed charts (namespace)
helm_releases_install: Install a chart (namespace, name, chart, version, values)
helm_releases_upgrade: Upgrade an installed chart to another version (namespace, name, version, values)
helm_releases_uninstall: Remove an installed chart (namespace, name)
backups_list: List backups of the cluster ()
backups_create: Back up namespaces with their volumes (namespaces, retention)
backups_restore: Restore namespaces from a backup (backup, namespaces)
backups_schedule: Back up at regular times (namespaces, schedule)
clusters_list: List the clusters of the organisation ()
clusters_get: Get version, region and health of a cluster (name)
clusters_upgrade: Upgrade the control plane to another version (name, version)
clusters_hibernate: Switch a cluster off to save money (name)
node_pools_list: List groups of equal machines (cluster)
node_pools_resize: Add machines to a group or take some away (cluster, pool, size)
costs_report: Report what each team or namespace has cost (from, to, group_by)
tickets_create: Open a case with the vendor's support (title, text, severity)
tickets_list: List open cases with the vendor's support ()
status_page_get: Tell whether the vendor has an outage ()
manifests_apply: Apply a YAML manifest (manifest, namespace)
manifests_diff: Show what a YAML manifest would change (manifest, namespace)
custom_resources_list: List objects of a custom kind (group, version, kind, namespace)
"""

QUESTIONS = (
    ("Show all machines of the cluster and whether they are ready.", "nodes_list"),
    ("worker-7 is repaired, it may take pods again.", "nodes_uncordon"),
    ("How busy are the nodes?", "nodes_top"),
    ("Restart the api deployment, it hangs.", "deployments_restart"),
    ("Deploy nginx:1.27 with three replicas.", "deployments_create"),
    ("Use image shop:1.5 in the shop deployment.", "deployments_set_image"),
    ("What revisions has the shop deployment had?", "deployments_history"),
    ("Execute ls /tmp in the container of the shop pod.", "pods_exec"),
    ("I want to see the jobs that failed.", "jobs_list"),
    ("Every night at two, clean up the temporary files.", "cronjobs_create"),
    ("Don't run the report job any more for now.", "cronjobs_suspend"),
    ("On which port does the payment service listen?", "services_get"),
    ("What is the IP of the host db.internal seen from the cluster?", "dns_lookup"),
    ("I'd like to open the database pod on my laptop.", "port_forward_open"),
    ("Our certificate is about to expire, get a fresh one.", "certificates_renew"),
    ("Change LOG_LEVEL to debug in the config map app.", "configmaps_update"),
    ("Store the API key for the payment provider.", "secrets_create"),
    ("Which persistent volumes are there and how big are they?", "volumes_list"),
    ("Roll the volume back to how it was on Monday.", "volume_snapshots_restore"),
    ("Get rid of the namespace test-12 completely.", "namespaces_delete"),
)
"""In plain words."""

MORE_QUESTIONS = (
    ("Do not start new pods on worker-7.", "nodes_cordon"),
    ("How close is team-a to its memory quota?", "quotas_get"),
    ("The team must not use more than 20 cores.", "quotas_set"),
    ("The cluster should not grow beyond 40 machines.", "cluster_autoscaler_configure"),
    ("At least two pods of the gateway must be up while we patch the nodes.", "disruption_budgets_create"),
    ("What happened in namespace shop in the last ten minutes?", "events_list"),
    ("Invite bob@example.com as a viewer.", "users_invite"),
    ("Give Carol the admin role in the namespace shop.", "role_bindings_create"),
    ("Our CI needs an account of its own.", "service_accounts_create"),
    ("Is anything on fire? Any critical alerts?", "alerts_list"),
    ("Warn us when the error rate is above 5 percent.", "alert_rules_create"),
    ("Plot the CPU usage over the last day.", "metrics_query_range"),
    ("Find 'connection refused' in the logs of all applications.", "logs_search"),
    ("Keep the logs for 90 days.", "logs_retention_set"),
    ("Where did the time go in trace 4bf92f35?", "traces_get"),
    ("Our pods cannot pull from the private registry, here is the login.", "image_pull_secrets_create"),
    ("Install Redis with its chart.", "helm_releases_install"),
    ("Get prometheus to chart version 25.", "helm_releases_upgrade"),
    ("Restore the namespace crm from last Sunday's backup.", "backups_restore"),
    ("Upgrade the cluster to Kubernetes 1.33.", "clusters_upgrade"),
    ("Turn the development cluster off over the weekend.", "clusters_hibernate"),
    ("We need two more GPU machines in the training pool.", "node_pools_resize"),
    ("Open a support case: the console is down.", "tickets_create"),
    ("Does the vendor have problems at the moment?", "status_page_get"),
    ("What would happen if I applied this YAML?", "manifests_diff"),
    ("Somebody left the company, remove his account.", "users_remove"),
    ("Take the editor role from Dave.", "role_bindings_delete"),
    ("Show me all objects of kind PrometheusRule.", "custom_resources_list"),
    ("Kill the pod shop-5f6.", "pods_delete"),
    ("Who has the role cluster-admin?", "role_bindings_list"),
    ("Why does my pod keep crashing? Show me what the container printed.", "pods_log"),
    ("We need five copies of the web frontend instead of two.", "deployments_scale"),
    ("The last release is broken, go back to the version from yesterday.", "deployments_rollback"),
    ("I have to replace a disk in worker-3, get everything off that machine first.", "nodes_drain"),
    ("When does the TLS certificate of shop.example.com run out?", "certificates_list"),
    ("The database is running out of disk space, give it 50 GB more.", "volume_claims_resize"),
    ("Is Anna allowed to delete secrets in production?", "access_check"),
    ("Who deleted the payment deployment last night?", "audit_log_search"),
    ("Are there security holes in the image registry/shop:1.4?", "images_scan"),
    ("How much money did the data team spend last month?", "costs_report"),
    ("Make the service billing available to customers on the web.", "ingresses_create"),
    ("Stop the pager from ringing for HighLatency until tomorrow morning.", "alerts_silence"),
    ("Which requests to checkout took longer than two seconds?", "traces_search"),
    ("Please save a copy of everything in the namespace crm before the migration.", "backups_create"),
    ("Add more replicas automatically when traffic grows.", "autoscalers_create"),
    ("The password of the database has leaked, generate another one.", "secrets_rotate"),
    ("Which pods eat the most memory?", "pods_top"),
    ("Why can the pod not be scheduled?", "events_list"),
    ("Prevent the frontend from talking to the database directly.", "network_policies_create"),
    ("Run the nightly report now, I cannot wait for its schedule.", "cronjobs_trigger"),
)
"""Some of which say it quite differently from the tool."""


def tools() -> tuple[Tool, ...]:
    return tuple(_tool(line) for line in OPERATIONS.strip().splitlines())


def _tool(line: str) -> Tool:
    name, _, rest = line.partition(": ")
    description, _, arguments = rest.removesuffix(")").rpartition(" (")
    names = [argument for argument in arguments.split(", ") if argument]
    parameters = {"type": "object", "properties": {argument: {"type": "string"} for argument in names}}
    return Tool(ToolSpec(name, description, json.dumps(parameters)), "operations", "model-context-protocol")
