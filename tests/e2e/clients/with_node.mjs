// @kubernetes/client-node: CRUD, watch, patch, logs, exec, port-forward. Prints "ok".
import assert from 'node:assert';
import net from 'node:net';
import { createRequire } from 'node:module';
import { PassThrough } from 'node:stream';

const [namespace, modules] = process.argv.slice(2);
const k8s = createRequire(`${modules}/`)('@kubernetes/client-node');

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const apps = config.makeApiClient(k8s.AppsV1Api);

const labels = { app: 'node' };
const container = { name: 'c', image: 'minik.local/echo', ports: [{ containerPort: 8080 }] };
const spec = { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } };
await apps.createNamespacedDeployment({ namespace, body: { metadata: { name: 'node' }, spec } });

// Until `wanted` says so of an event.
async function watched(path, wanted) {
    let stop;
    const found = await new Promise((resolve, reject) => {
        new k8s.Watch(config).watch(path, {}, (type, object) => wanted(type, object) && resolve(object), reject)
            .then((request) => { stop = () => request.abort(); }, reject);
    });
    stop();
    return found;
}
const isReady = (pod) => (pod.status.conditions ?? []).some((one) => one.type === 'Ready' && one.status === 'True');
const pod = (await watched(`/api/v1/namespaces/${namespace}/pods`, (_, object) => isReady(object))).metadata.name;

const options = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.StrategicMergePatch);
await apps.patchNamespacedDeployment({ name: 'node', namespace, body: { metadata: { labels: { x: 'y' } } } }, options);
assert.equal((await apps.readNamespacedDeployment({ name: 'node', namespace })).metadata.labels.x, 'y');
assert.equal((await core.listNamespacedPod({ namespace, labelSelector: 'app=node' })).items.length, 1);
assert.match(await core.readNamespacedPodLog({ name: pod, namespace }), /listening/);
await assert.rejects(core.readNamespacedPod({ name: 'nobody', namespace }), (error) => error.code === 404);

const output = new PassThrough();
let said = '';
output.on('data', (data) => { said += data; });
const status = await new Promise((resolve, reject) => {
    new k8s.Exec(config).exec(namespace, pod, 'c', ['echo', 'hello'], output, process.stderr, null, false, resolve).catch(reject);
});
assert.equal(status.status, 'Success');
assert.equal(said.trim(), 'hello');

const forward = new k8s.PortForward(config);
const server = net.createServer((socket) => forward.portForward(namespace, pod, [8080], socket, null, socket));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const answer = await new Promise((resolve, reject) => {
    let text = '';
    const client = net.connect(server.address().port, '127.0.0.1', () => client.write('GET /hostname HTTP/1.0\r\n\r\n'));
    client.on('data', (data) => { text += data; if (text.includes(pod)) { client.destroy(); resolve(text); } });
    client.on('error', reject);
});
assert.match(answer, /200 OK/);
server.close();

await apps.deleteNamespacedDeployment({ name: 'node', namespace, propagationPolicy: 'Foreground' });
await watched(`/apis/apps/v1/namespaces/${namespace}/deployments`, (type) => type === 'DELETED');
console.log('ok');
process.exit(0);
