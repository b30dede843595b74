// Sorting files by their size through a spool that needs the disk, beside sorting them in memory
// and writing them out once.

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "benchmark/benchmark.h"

#include "pipeline/fs/file.h"
#include "pipeline/fs/sorted_spool.h"
#include "tests/bench/files.h"
#include "tests/bench/items.h"
#include "tests/bench/temp_directory.h"

namespace sluice::bench {
namespace {

constexpr Number kFiles = 100'000;

struct BySize {
  bool operator()(const FileEntry& a, const FileEntry& b) const {
    return a.stat.size < b.stat.size;
  }
};

using Stream = std::unique_ptr<std::FILE, decltype(&std::fclose)>;

// What is read back stays bytes: to take the files out of them again is not counted.
Number SortByHand(std::vector<FileEntry> files) {
  std::sort(files.begin(), files.end(), BySize());
  const Stream stream(std::tmpfile(), &std::fclose);
  if (!stream) std::abort();
  std::string record;
  for (const FileEntry& file : files) {
    record.clear();
    SpoolCodec<FileEntry>::Encode(file, &record);
    if (std::fwrite(record.data(), record.size(), 1, stream.get()) != 1) std::abort();
  }
  if (std::fseek(stream.get(), 0, SEEK_SET) != 0) std::abort();
  std::vector<char> buffer(internal::SpoolFile::kBufferBytes);
  Number bytes = 0;
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), stream.get())) {
    bytes += static_cast<Number>(count);
  }
  return bytes;
}
void SpoolByHand(benchmark::State& state) {
  const std::vector<FileEntry> files = MakeFiles(kFiles);
  MeasureItems(state, [&] { return SortByHand(files); }, kFiles);
}
BENCHMARK(SpoolByHand)->Name("spool/std::sort, fwrite and fread by hand");

Number SortBySpool(const std::vector<FileEntry>& files, const SpoolOptions& options) {
  SortedSpool<FileEntry, BySize> spool(options);
  for (const FileEntry& file : files) spool.Add(file);
  spool.Finish();
  auto cursor = spool.Read();
  Number count = 0;
  while (const FileEntry* next = cursor.Next()) {
    benchmark::DoNotOptimize(next);
    ++count;
  }
  return count;
}
template <std::size_t budget_bytes>
void SpoolSorted(benchmark::State& state) {
  const TempDirectory directory;
  const std::vector<FileEntry> files = MakeFiles(kFiles);
  const SpoolOptions options = {.directory = directory.path(), .budget_bytes = budget_bytes};
  MeasureItems(
      state,
      [&] {
        const Number count = SortBySpool(files, options);
        if (count != kFiles) state.SkipWithError("files were lost");
        return count;
      },
      kFiles);
}
BENCHMARK(SpoolSorted<std::size_t{4} << 20>)->Name("spool/SortedSpool, budget of 4 MiB");
BENCHMARK(SpoolSorted<std::size_t{64} << 20>)->Name("spool/SortedSpool, all in memory");

}  // namespace
}  // namespace sluice::bench
