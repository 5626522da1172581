import { useCallback, useMemo, useState } from "react";

import { CsvButton } from "../../shared/csv-button";
import { ago } from "../../shared/format";
import { say } from "../../shared/language";
import { OperatorForm } from "../../shared/operator-form";
import { pageAddress } from "../../shared/routes";
import { isSignedIn } from "../../shared/session";
import { useCameras, useClockOffsetMs, useSite } from "../../shared/use-live";
import { useNow, useSightings } from "../../shared/use-now";
import { useSampled } from "../../shared/use-sampled";
import type { CameraView, DeviceSecret, DeviceView } from "../../shared/views";
import { AddForm, Secret } from "./device-forms";
import { listDevices } from "./device-commands";
import { fleetCsv } from "./fleet-csv";
import { fleetRows, matches, problemGroups, sortRows, summaryWords, type Order, type Row } from "./fleet";
import { FleetTable } from "./fleet-table";
import { Remedies } from "./remedies";
import "./fleet.css";

const STEP_MS = 5_000;

/** Cameras and devices of a lot: what needs attention first, and what to do about it. */
export function FleetPage({ siteId }: { siteId: string }) {
  const name = useSite(siteId)?.name ?? siteId;
  const cameras = useCameras(siteId);
  const [reports, setReports] = useState<Reports | null>(null);
  const [secret, setSecret] = useState<DeviceSecret | null>(null);
  const offset = useClockOffsetMs();
  const [filter, setFilter] = useState("");
  const [order, setOrder] = useState<Order>({ column: "state", descending: false });
  const { rows, now_ms } = useRows(cameras, reports?.devices ?? null);
  const groups = useMemo(() => problemGroups(rows), [rows]);
  const shown = useMemo(
    () =>
      sortRows(
        rows.filter((row) => matches(row, filter)),
        order,
      ),
    [rows, filter, order],
  );
  const list = useCallback(
    () =>
      listDevices(siteId, (devices) => {
        setReports({ devices, at_ms: Date.now() + offset });
      }),
    [siteId, offset],
  );
  const commands = useMemo(
    () => ({
      onSecret: (created: DeviceSecret) => {
        setSecret(created);
        void list();
      },
      onChange: list,
      onRevoked: (deviceId: string) => {
        setSecret((old) => (old?.device_id === deviceId ? null : old));
      },
    }),
    [list],
  );
  return (
    <div className="fleet" data-testid="devices">
      <div className="fleet-head">
        <div>
          <h1>{say("fleet.title", { site: name })}</h1>
          <p data-testid="fleet-summary">{summaryWords(rows)}</p>
          <a className="button" href={pageAddress(siteId, "cameras")}>
            {say("fleet.cameras")}
          </a>
        </div>
        <ReportsForm reports={reports} list={list} />
      </div>
      {secret && <Secret key={secret.password} secret={secret} />}
      <Remedies groups={groups} />
      <section className="card" aria-labelledby="fleet-table">
        <div className="card-head fleet-tools">
          <h2 id="fleet-table">{say("fleet.table")}</h2>
          <label className="field">
            {say("fleet.filter")}
            <input
              type="search"
              value={filter}
              placeholder={say("fleet.filterExample")}
              onChange={(event) => {
                setFilter(event.target.value);
              }}
            />
          </label>
          <CsvButton file={`fleet-${siteId}`} csv={() => fleetCsv(shown)} />
        </div>
        <FleetTable
          rows={shown}
          total={rows.length}
          now_ms={now_ms}
          withReports={reports !== null}
          order={order}
          onOrder={setOrder}
          commands={commands}
        />
        {reports && <AddForm siteId={siteId} onSecret={commands.onSecret} />}
      </section>
    </div>
  );
}

interface Reports {
  devices: readonly DeviceView[];
  /** When they were read, by the server's clock. */
  at_ms: number;
}

interface ReportsProps {
  reports: Reports | null;
  list: () => ReturnType<typeof listDevices>;
}

function ReportsForm({ reports, list }: ReportsProps) {
  return (
    <OperatorForm
      className="devices-form"
      action={say(reports ? "refresh" : "fleet.show")}
      send={list}
      sent=""
      hint={reports ? <ReportsAge at_ms={reports.at_ms} /> : <p className="small muted">{whyAsk()}</p>}
    />
  );
}

function whyAsk(): string {
  return say(isSignedIn() ? "fleet.whyAsk" : "fleet.whyKey");
}

function ReportsAge({ at_ms }: { at_ms: number }) {
  return <p className="small muted">{say("fleet.read", { ago: ago(useNow() - at_ms) })}</p>;
}

/** The rows, updated only every few seconds, because hundreds of cameras report more often. */
function useRows(
  cameras: readonly CameraView[],
  devices: readonly DeviceView[] | null,
): { rows: Row[]; now_ms: number } {
  const now_ms = Math.floor(useNow() / STEP_MS) * STEP_MS;
  const sightings = useSampled(useSightings(), now_ms);
  const rows = useMemo(
    () => fleetRows(cameras, sightings, devices, now_ms),
    [cameras, sightings, devices, now_ms],
  );
  return { rows, now_ms };
}
