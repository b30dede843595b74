// The embedded catalog: appending, reading pages, and sorting candidates.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include <benchmark/benchmark.h>

#include "server/catalog/catalog.h"
#include "server/catalog/sqlite/event_chunk.h"
#include "server/catalog/sqlite_catalog.h"
#include "tests/bench/files.h"

namespace sluice {
namespace {

// A catalog in a directory of its own, which is removed at the end. SLUICE_BENCH_DIR says where.
class TempCatalog final {
 public:
  TempCatalog() {
    const char* parent = ::getenv("SLUICE_BENCH_DIR");  // NOLINT(concurrency-mt-unsafe)
    path_ = std::string(parent == nullptr ? "/var/tmp" : parent) + "/sluice-bench-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
    catalog_ = OpenSqliteCatalog(path_).value();
  }
  ~TempCatalog() {
    catalog_.reset();
    std::filesystem::remove_all(path_);
  }
  TempCatalog(const TempCatalog&) = delete;
  TempCatalog& operator=(const TempCatalog&) = delete;
  Catalog& operator*() const { return *catalog_; }
  Catalog* operator->() const { return catalog_.get(); }

 private:
  std::string path_;
  std::unique_ptr<Catalog> catalog_;
};

// Rows as a scan with digests writes them: paths of 60 bytes, four files of each size.
std::vector<EventRecord> MakeRows(std::uint64_t first_sequence, std::size_t count) {
  std::vector<EventRecord> rows(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t sequence = first_sequence + i;
    FileEntry file = bench::MakeFile(sequence);
    rows[i] = {.sequence = sequence, .time_ns = file.stat.modify_time_ns, .event = std::move(file)};
  }
  return rows;
}

JobRecord NewJob(Catalog& catalog, std::size_t spec_bytes = 500, std::string id = "scan") {
  JobRecord job = {.id = std::move(id),
                   .kind = "scan",
                   .spec = std::string(spec_bytes, 's'),
                   .record = std::string(300, 'r'),
                   .checkpoint = std::string(100, 'c')};
  if (!catalog.CreateJob(job).ok()) std::abort();
  return job;
}

void Append(Catalog& catalog, JobRecord& job, const std::vector<EventRecord>& rows) {
  job.last_sequence = rows.back().sequence;
  if (!catalog.AppendEvents(job, rows).ok()) std::abort();
}

void Fill(Catalog& catalog, std::uint64_t rows) {
  constexpr std::uint64_t kBatch = 4096;
  JobRecord job = NewJob(catalog);
  for (std::uint64_t first = 1; first <= rows; first += kBatch) {
    Append(catalog, job, MakeRows(first, kBatch));
  }
}

// Rows each, and bytes of the job's spec.
void BM_AppendEvents(benchmark::State& state) {
  const auto rows_each = static_cast<std::size_t>(state.range(0));
  TempCatalog catalog;
  JobRecord job = NewJob(*catalog, static_cast<std::size_t>(state.range(1)));
  std::vector<EventRecord> rows = MakeRows(1, rows_each);
  for (auto _ : state) {
    Append(*catalog, job, rows);
    for (EventRecord& row : rows) row.sequence += rows_each;
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_AppendEvents)
    ->Args({1, 500})
    ->Args({1, 100 << 10})
    ->Args({256, 500})
    ->Args({256, 100 << 10})
    ->Args({1000, 500})
    ->UseRealTime();

// Batches of a running job while a deleted one is purged in slices of so many rows (0: not at all).
// The longest append tells how long a slice holds up a job.
void BM_AppendEventsWhilePurging(benchmark::State& state) {
  constexpr std::size_t kRowsEach = 256;
  const auto slice = static_cast<std::size_t>(state.range(0));
  TempCatalog catalog;
  Fill(*catalog, 1'000'000);
  if (slice != 0 && !catalog->DeleteJob("scan").ok()) std::abort();
  JobRecord job = NewJob(*catalog, 500, "running");
  std::uint64_t purged = 0;
  std::jthread purger([&](const std::stop_token& stop) {
    while (slice != 0 && !stop.stop_requested() && catalog->Purge(slice).value()) purged += slice;
  });
  std::vector<EventRecord> rows = MakeRows(1, kRowsEach);
  double longest_ms = 0;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    Append(*catalog, job, rows);
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - begin;
    longest_ms = std::max(longest_ms, taken.count());
    for (EventRecord& row : rows) row.sequence += kRowsEach;
  }
  purger.request_stop();
  purger.join();
  state.counters["longest_ms"] = longest_ms;
  state.counters["purged"] = static_cast<double>(purged);
}
BENCHMARK(BM_AppendEventsWhilePurging)
    ->Arg(0)
    ->Arg(256)
    ->Arg(1024)
    ->Arg(4096)
    ->Arg(16384)
    ->Iterations(100)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// The same bytes without a database: encoded, and written behind one another.
void BM_WriteEncodedEvents(benchmark::State& state) {
  const auto rows_each = static_cast<std::size_t>(state.range(0));
  const std::vector<EventRecord> rows = MakeRows(1, rows_each);
  std::FILE* const file = std::tmpfile();
  if (file == nullptr) std::abort();
  EventChunk chunk;
  off_t end = 0;
  for (auto _ : state) {
    for (std::span<const EventRecord> rest = rows; !rest.empty();
         rest = rest.subspan(chunk.count)) {
      EncodeChunk(rest, chunk);
      if (::pwrite(::fileno(file), chunk.body.data(), chunk.body.size(), end) < 0) std::abort();
      end += static_cast<off_t>(chunk.body.size());
    }
    if (end > (1 << 28)) end = 0;
  }
  static_cast<void>(std::fclose(file));
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["bytes_each"] =
      static_cast<double>(chunk.body.size()) / static_cast<double>(chunk.count);
}
BENCHMARK(BM_WriteEncodedEvents)->Arg(256)->Arg(1000)->UseRealTime();

void BM_ReadEvents(benchmark::State& state) {
  constexpr std::uint64_t kRows = 200'000;
  TempCatalog catalog;
  Fill(*catalog, kRows);
  std::uint64_t next = 1;
  std::int64_t read = 0;
  for (auto _ : state) {
    const std::vector<EventRecord> page =
        catalog->ReadEvents("scan", next, static_cast<std::size_t>(state.range(0))).value();
    next = page.empty() ? 1 : page.back().sequence + 1;
    read += static_cast<std::int64_t>(page.size());
  }
  state.SetItemsProcessed(read);
}
BENCHMARK(BM_ReadEvents)->Arg(256)->Arg(1024)->UseRealTime();

// The list is made, and with kRead read from its first to its last candidate. Peak resident memory
// is that of the whole process: run it alone (--benchmark_filter).
enum ListUse : std::int64_t { kMake, kRead };
void BM_OpenCandidates(benchmark::State& state) {
  TempCatalog catalog;
  Fill(*catalog, static_cast<std::uint64_t>(state.range(0)));
  std::unique_ptr<CandidateList> list;
  for (auto _ : state) {
    list = catalog->OpenCandidates({.scans = {"scan"}}, std::stop_token()).value();
    for (std::uint64_t read = 0; state.range(1) == kRead && read < list->size();) {
      read += list->Read(read, 256)->size();
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  state.counters["peak_rss_mib"] = static_cast<double>(usage.ru_maxrss) / 1024;
}
BENCHMARK(BM_OpenCandidates)
    ->ArgsProduct({{10'000, 300'000, 1'000'000}, {kMake, kRead}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// The same records in memory.
void BM_SortFiles(benchmark::State& state) {
  std::vector<FileEntry> files;
  for (const EventRecord& row : MakeRows(1, static_cast<std::size_t>(state.range(0)))) {
    files.push_back(std::get<FileEntry>(row.event));
  }
  for (auto _ : state) {
    std::ranges::sort(files, {}, [](const FileEntry& file) {
      return std::tie(file.stat.size, file.stat.device, file.stat.inode, file.path);
    });
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_SortFiles)->Arg(300'000)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

// From the request to stop, so many ms into the building, to its end.
void BM_CancelOpenCandidates(benchmark::State& state) {
  TempCatalog catalog;
  Fill(*catalog, 200'000);
  for (auto _ : state) {
    std::stop_source stop;
    std::chrono::steady_clock::time_point stopped;
    std::jthread stopper([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(state.range(0)));
      stopped = std::chrono::steady_clock::now();
      stop.request_stop();
    });
    const auto list = catalog->OpenCandidates({.scans = {"scan"}}, stop.get_token());
    stopper.join();
    if (!absl::IsCancelled(list.status())) state.SkipWithError("it was not cancelled");
    state.SetIterationTime(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - stopped).count());
  }
}
BENCHMARK(BM_CancelOpenCandidates)
    ->Arg(20)
    ->Arg(50)
    ->Arg(80)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime();

}  // namespace
}  // namespace sluice
