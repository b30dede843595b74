// Digests of files that are in memory, beside the same system calls and the same hash by hand.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <span>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"

#include "pipeline/async/executor.h"
#include "pipeline/async/inline_executor.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/hasher.h"
#include "pipeline/fs/roots.h"
#include "pipeline/fs/unique_fd.h"
#include "tests/bench/items.h"
#include "tests/bench/temp_directory.h"

namespace sluice::bench {
namespace {

constexpr Number kSmallFiles = 2000;
constexpr std::size_t kSmallBytes = 4096;
constexpr Number kLargeKib = 64 * 1024;

struct File {
  std::string path;
  FileStat stat;
};

// A directory of small files beside a large one, none of which has a hole.
class Files final {
 public:
  Files() : roots_(AllowedRoots::Open({directory_.path()}).value()) {
    for (Number i = 0; i < kSmallFiles; ++i) small_.push_back(Write(absl::StrCat(i), kSmallBytes));
    large_.push_back(Write("large", std::size_t{kLargeKib} * 1024));
  }

  const AllowedRoots& roots() const { return roots_; }
  const std::vector<File>& small() const { return small_; }
  const std::vector<File>& large() const { return large_; }

 private:
  File Write(const std::string& name, std::size_t size) {
    std::string content(size, '\0');
    for (char& byte : content) byte = static_cast<char>(random_());
    File file = {.path = absl::StrCat(directory_.path(), "/", name), .stat = {}};
    if (!std::ofstream(file.path, std::ios::binary).write(content.data(), std::ssize(content)) ||
        StatAt(AT_FDCWD, file.path.c_str(), &file.stat) != 0) {
      std::abort();
    }
    return file;
  }

  std::minstd_rand random_;  // NOLINT(cert-msc51-cpp): the same bytes each time.
  TempDirectory directory_;
  AllowedRoots roots_;
  std::vector<File> small_;
  std::vector<File> large_;
};

const Files& TheFiles() {
  static const Files files;
  return files;
}

Digest DigestByHand(const File& file, DigestAlgorithm algorithm, std::span<std::uint8_t> buffer) {
  const UniqueFd fd(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  const auto read_at = [&](std::uint64_t offset) {
    const auto at = static_cast<off_t>(offset);
    const ssize_t count = ::pread(fd.get(), buffer.data(), buffer.size(), at);
    return buffer.first(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  };
  Digest digest;
  if (file.stat.size <= buffer.size()) {
    digest = DigestOf(algorithm, read_at(0));
  } else {
    const std::unique_ptr<Hasher> hasher = MakeHasher(algorithm);
    for (std::uint64_t offset = 0; offset < file.stat.size; offset += buffer.size()) {
      hasher->Update(read_at(offset));
    }
    digest = hasher->Finish();
  }
  struct stat stat;
  benchmark::DoNotOptimize(::fstat(fd.get(), &stat));
  return digest;
}

// An item is a small file, or a KiB of the large one.
void ByHand(benchmark::State& state, const std::vector<File>& files, Number items,
            DigestAlgorithm algorithm) {
  std::vector<std::uint8_t> buffer(FileContentDigester::kReadBufferBytes);
  MeasureItems(
      state,
      [&] {
        for (const File& file : files) {
          benchmark::DoNotOptimize(DigestByHand(file, algorithm, buffer));
        }
        return files.size();
      },
      items);
}

Task<Number> CountDigests(ContentDigester& digester, const std::vector<File>& files,
                          DigestAlgorithm algorithm, Executor& executor) {
  Number count = 0;
  for (const File& file : files) {
    const auto result = co_await digester.DigestFile(
        {.path = file.path, .algorithm = algorithm, .expected = file.stat}, executor,
        std::stop_token());
    count += std::holds_alternative<ContentDigest>(result) ? 1 : 0;
  }
  co_return count;
}

void ByDigester(benchmark::State& state, const std::vector<File>& files, Number items,
                DigestAlgorithm algorithm) {
  FileContentDigester digester(TheFiles().roots());
  InlineExecutor executor;
  MeasureItems(
      state,
      [&] {
        const Number count = executor.Run(CountDigests(digester, files, algorithm, executor));
        if (count != std::ssize(files)) state.SkipWithError("a file has no digest");
        return count;
      },
      items);
}

template <DigestAlgorithm algorithm>
void SmallByHand(benchmark::State& state) {
  ByHand(state, TheFiles().small(), kSmallFiles, algorithm);
}
template <DigestAlgorithm algorithm>
void SmallByDigester(benchmark::State& state) {
  ByDigester(state, TheFiles().small(), kSmallFiles, algorithm);
}
template <DigestAlgorithm algorithm>
void LargeByHand(benchmark::State& state) {
  ByHand(state, TheFiles().large(), kLargeKib, algorithm);
}
template <DigestAlgorithm algorithm>
void LargeByDigester(benchmark::State& state) {
  ByDigester(state, TheFiles().large(), kLargeKib, algorithm);
}

constexpr auto kXxh3 = DigestAlgorithm::kXxh3_128;
constexpr auto kSha = DigestAlgorithm::kSha256;
BENCHMARK(SmallByHand<kXxh3>)->Name("digest/XXH3 of files of 4 KiB, by hand");
BENCHMARK(SmallByDigester<kXxh3>)->Name("digest/XXH3 of files of 4 KiB, DigestFile");
BENCHMARK(SmallByHand<kSha>)->Name("digest/SHA-256 of files of 4 KiB, by hand");
BENCHMARK(SmallByDigester<kSha>)->Name("digest/SHA-256 of files of 4 KiB, DigestFile");
BENCHMARK(LargeByHand<kXxh3>)->Name("digest/XXH3 of 64 MiB, a KiB, by hand");
BENCHMARK(LargeByDigester<kXxh3>)->Name("digest/XXH3 of 64 MiB, a KiB, DigestFile");
BENCHMARK(LargeByHand<kSha>)->Name("digest/SHA-256 of 64 MiB, a KiB, by hand");
BENCHMARK(LargeByDigester<kSha>)->Name("digest/SHA-256 of 64 MiB, a KiB, DigestFile");

}  // namespace
}  // namespace sluice::bench
