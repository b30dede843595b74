// Events of files as the bytes of a stream's message, beside a copy of bytes that are ready.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"

#include "server/catalog/catalog.h"
#include "server/jobs/convert.h"
#include "server/jobs/wire.h"
#include "sluice/v1/event.pb.h"
#include "tests/bench/files.h"
#include "tests/bench/items.h"

namespace sluice::bench {
namespace {

constexpr Number kEvents = 256;  // Of a message.
constexpr int kField = 1;

std::vector<EventRecord> MakeEvents() {
  std::vector<EventRecord> events;
  for (FileEntry& file : MakeFiles(kEvents)) {
    const std::uint64_t sequence = events.size() + 1;
    const std::int64_t time_ns = file.stat.modify_time_ns;
    events.push_back({.sequence = sequence, .time_ns = time_ns, .event = std::move(file)});
  }
  return events;
}

void EncodeAll(const std::vector<EventRecord>& events, std::string& bytes) {
  bytes.clear();
  for (const EventRecord& event : events) {
    if (!AppendEvent(kField, event, bytes).ok()) std::abort();
  }
}

void WireCopied(benchmark::State& state) {
  std::string ready;
  EncodeAll(MakeEvents(), ready);
  std::string bytes(ready.size(), '\0');
  MeasureItems(
      state,
      [&] {
        std::memcpy(bytes.data(), ready.data(), ready.size());
        benchmark::ClobberMemory();
        return bytes.size();
      },
      kEvents);
}
BENCHMARK(WireCopied)->Name("wire/memcpy of bytes that are ready");

void WireEncoded(benchmark::State& state) {
  const std::vector<EventRecord> events = MakeEvents();
  std::string bytes;
  MeasureItems(
      state,
      [&] {
        EncodeAll(events, bytes);
        return bytes.size();
      },
      kEvents);
}
BENCHMARK(WireEncoded)->Name("wire/AppendEvent");

// As it would be with the classes that protoc generates, the message used again.
void WireSerialized(benchmark::State& state) {
  const std::vector<EventRecord> events = MakeEvents();
  v1::JobEvent message;
  std::string bytes;
  MeasureItems(
      state,
      [&] {
        bytes.clear();
        for (const EventRecord& event : events) {
          message.Clear();
          if (!ToJobEvent(event, message).ok()) std::abort();
          message.AppendToString(&bytes);
        }
        return bytes.size();
      },
      kEvents);
}
BENCHMARK(WireSerialized)->Name("wire/ToJobEvent, then AppendToString");

}  // namespace
}  // namespace sluice::bench
