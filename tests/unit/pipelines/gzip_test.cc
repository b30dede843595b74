// Reads a file, compresses it and writes it, chunk by chunk: the memory that this takes does not
// depend on the size of the file.

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/async/task.h"
#include "pipeline/fs/unique_fd.h"
#include "tests/unit/async/started.h"
#include "tests/unit/fs/temp_tree.h"
#include "tests/unit/pipelines/read_chunks.h"

namespace sluice {
namespace {

// Where the chunks come from; knows how many bytes of them there have been at a time.
class ChunkMemory final : public std::pmr::memory_resource {
 public:
  std::size_t peak() const { return peak_; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    now_ += bytes;
    peak_ = std::max(peak_, now_);
    return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
    now_ -= bytes;
    std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  std::size_t now_ = 0;
  std::size_t peak_ = 0;
};

// Zlib in one direction. Pinned: zlib keeps its address.
class GzipStream final {
 public:
  enum class Direction : std::uint8_t { kCompress, kDecompress };

  explicit GzipStream(Direction direction) : direction_(direction) {
    const int status = Compresses() ? deflateInit2(&zlib_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip,
                                                   8, Z_DEFAULT_STRATEGY)
                                    : inflateInit2(&zlib_, kGzip);
    if (status != Z_OK) throw StatusError(absl::InternalError("zlib does not start"));
  }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;
  ~GzipStream() {
    if (Compresses()) {
      deflateEnd(&zlib_);
    } else {
      inflateEnd(&zlib_);
    }
  }

  // `input` stays as it is until Step has given nullopt.
  void SetInput(std::span<std::uint8_t> input) {
    zlib_.next_in = input.data();
    zlib_.avail_in = static_cast<uInt>(input.size());
  }

  // What comes out next; nullopt when there has to be more input first.
  std::optional<Chunk> Step(int flush, std::pmr::memory_resource* memory) {
    Chunk output(kChunkBytes, memory);
    zlib_.next_out = output.data();
    zlib_.avail_out = static_cast<uInt>(output.size());
    const int status = Compresses() ? deflate(&zlib_, flush) : inflate(&zlib_, flush);
    if (status == Z_DATA_ERROR) throw StatusError(absl::DataLossError("not in gzip's format"));
    ended_ = status == Z_STREAM_END;
    output.resize(output.size() - zlib_.avail_out);
    return output.empty() ? std::nullopt : std::optional(std::move(output));
  }

  bool ended() const { return ended_; }

 private:
  static constexpr int kGzip = 16 + MAX_WBITS;

  bool Compresses() const { return direction_ == Direction::kCompress; }

  const Direction direction_;
  z_stream zlib_{};
  bool ended_ = false;
};

AsyncGenerator<Chunk> Compress(AsyncGenerator<Chunk> source, std::pmr::memory_resource* memory) {
  GzipStream gzip(GzipStream::Direction::kCompress);
  while (auto input = co_await source.Next()) {
    gzip.SetInput(*input);
    while (auto output = gzip.Step(Z_NO_FLUSH, memory)) co_yield *std::move(output);
  }
  while (auto output = gzip.Step(Z_FINISH, memory)) co_yield *std::move(output);
}

AsyncGenerator<Chunk> Decompress(AsyncGenerator<Chunk> source, std::pmr::memory_resource* memory) {
  GzipStream gzip(GzipStream::Direction::kDecompress);
  while (auto input = co_await source.Next()) {
    gzip.SetInput(*input);
    while (auto output = gzip.Step(Z_NO_FLUSH, memory)) co_yield *std::move(output);
  }
  if (!gzip.ended()) throw StatusError(absl::DataLossError("ends too early"));
}

// Returns how many bytes were written.
Task<std::size_t> Write(AsyncGenerator<Chunk> source, std::string path) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) throw StatusError(absl::PermissionDeniedError(path));
  std::size_t total = 0;
  while (auto chunk = co_await source.Next()) {
    for (std::size_t written = 0; written < chunk->size();) {
      const ::ssize_t bytes = ::write(file.get(), chunk->data() + written, chunk->size() - written);
      if (bytes < 0) throw StatusError(absl::DataLossError(path));
      written += static_cast<std::size_t>(bytes);
    }
    total += chunk->size();
  }
  co_return total;
}

class Gzip : public testing::Test {
 protected:
  // Half text, half noise.
  static std::string Content(std::size_t bytes) {
    std::string content(bytes, 'a');
    std::minstd_rand random(7);
    for (std::size_t i = 0; i < bytes / 2; ++i) content[i] = static_cast<char>(random());
    return content;
  }

  std::size_t CompressFile(const std::string& from, const std::string& to) {
    return SyncWait(Write(Compress(ReadChunks(from, &memory_), &memory_), to));
  }
  std::size_t DecompressFile(const std::string& from, const std::string& to) {
    return SyncWait(Write(Decompress(ReadChunks(from, &memory_), &memory_), to));
  }

  std::string Contents(const std::string& path) {
    std::string contents;
    auto chunks = ReadChunks(path, &memory_);
    while (auto chunk = Pull(chunks)) contents.append(chunk->begin(), chunk->end());
    return contents;
  }

  TempTree tree_;
  ChunkMemory memory_;
};

TEST_F(Gzip, WhatIsCompressedAndDecompressedIsTheSame) {
  for (const std::size_t bytes : {0U, 1U, 16'384U, 1'000'003U}) {
    const std::string original = tree_.Write("original", Content(bytes));
    const std::size_t compressed = CompressFile(original, tree_.Path("original.gz"));
    EXPECT_EQ(DecompressFile(tree_.Path("original.gz"), tree_.Path("copy")), bytes);
    EXPECT_LT(compressed, bytes * 3 / 4 + 100);
    EXPECT_EQ(Contents(tree_.Path("copy")), Content(bytes));
  }
}

TEST_F(Gzip, ALargerFileTakesNoMoreMemory) {
  CompressFile(tree_.Write("small", Content(200'000)), tree_.Path("small.gz"));
  const std::size_t peak = memory_.peak();
  CompressFile(tree_.Write("large", Content(6'000'000)), tree_.Path("large.gz"));
  EXPECT_EQ(memory_.peak(), peak);
  EXPECT_LE(peak, 3 * kChunkBytes) << "one that is read, one that is filled, one that is written";
}

TEST_F(Gzip, AFileThatIsCutIsAnErrorAndNotAShorterFile) {
  CompressFile(tree_.Write("original", Content(50'000)), tree_.Path("whole.gz"));
  const std::string whole = Contents(tree_.Path("whole.gz"));
  const std::string cut = tree_.Write("cut.gz", whole.substr(0, whole.size() - 1));
  EXPECT_THROW(DecompressFile(cut, tree_.Path("copy")), StatusError);
}

}  // namespace
}  // namespace sluice
