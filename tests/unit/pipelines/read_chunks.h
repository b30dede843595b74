#ifndef SLUICE_TESTS_UNIT_PIPELINES_READ_CHUNKS_H_
#define SLUICE_TESTS_UNIT_PIPELINES_READ_CHUNKS_H_

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "pipeline/async/async_generator.h"
#include "pipeline/async/status_error.h"
#include "pipeline/fs/unique_fd.h"

namespace sluice {

inline constexpr std::size_t kChunkBytes = 16 * 1024;

using Chunk = std::pmr::vector<std::uint8_t>;

// The content of a file, piece by piece. It is open from the first pull until the generator has
// ended or is dropped. Blocks on the disk.
inline AsyncGenerator<Chunk> ReadChunks(
    std::string path, std::pmr::memory_resource* memory = std::pmr::get_default_resource()) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) throw StatusError(absl::NotFoundError(path));
  while (true) {
    Chunk chunk(kChunkBytes, memory);
    const ::ssize_t bytes = ::read(file.get(), chunk.data(), chunk.size());
    if (bytes < 0) throw StatusError(absl::DataLossError(path));
    if (bytes == 0) co_return;
    chunk.resize(static_cast<std::size_t>(bytes));
    co_yield std::move(chunk);
  }
}

}  // namespace sluice

#endif  // SLUICE_TESTS_UNIT_PIPELINES_READ_CHUNKS_H_
