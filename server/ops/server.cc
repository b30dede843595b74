#include "server/ops/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <spdlog/spdlog.h>

#include "pipeline/async/clock.h"
#include "pipeline/async/executor.h"
#include "pipeline/async/job_scope.h"
#include "pipeline/async/sleep.h"
#include "pipeline/async/sync_wait.h"
#include "pipeline/fs/content_digester.h"
#include "pipeline/fs/fs_ops.h"
#include "pipeline/fs/path_text.h"
#include "pipeline/fs/roots.h"
#include "server/catalog/sqlite_catalog.h"
#include "server/jobs/apply_journals.h"
#include "server/jobs/job_manager.h"
#include "server/jobs/retention.h"
#include "server/ops/listen_address.h"
#include "server/rpc/call_runtime.h"
#include "server/rpc/catalog_service.h"
#include "server/rpc/job_service.h"

namespace sluice {
namespace {

// Threads for calls: they convert and send, and read pages of the catalog; jobs have their own.
constexpr std::size_t kCallThreads = 2;
constexpr int kMaxMessageBytes = 4 * 1024 * 1024;
constexpr int kMaxMetadataBytes = 8 * 1024;
constexpr int kHandshakeTimeoutMs = 5'000;
// A client that was stopped, or whose host is gone, is noticed by keepalive only.
constexpr int kKeepaliveTimeMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

ThreadPool::Options JobThreads(const Config& config) {
  const std::size_t processors = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t threads = std::max<std::size_t>(4, 2 * processors);
  return {.threads = config.job_threads != 0 ? config.job_threads : threads, .at_once = processors};
}

std::string HostName() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? PrintablePath(name.data())
                                                          : "localhost";
}

absl::Status MakeDirectory(const std::string& path) {
  std::error_code error;
  if (std::filesystem::create_directories(path, error)) {
    std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  }
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("the data directory ", path, " cannot be made: ", error.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ListenAddress>> ParseAddresses(const Config& config) {
  std::vector<ListenAddress> addresses;
  for (const std::string& text : config.listen) {
    absl::StatusOr<ListenAddress> address = ListenAddress::Parse(text);
    if (!address.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--listen=", address.status().message()));
    }
    if (!address->loopback && !config.insecure_plaintext) {
      return absl::InvalidArgumentError(
          absl::StrCat("--listen=", text,
                       ": plaintext is served on loopback and Unix sockets only; say "
                       "--insecure_plaintext to serve it to the network all the same"));
    }
    addresses.push_back(*std::move(address));
  }
  return addresses;
}

std::string JournalDirectory(const std::string& data_dir) {
  return absl::StrCat(data_dir, "/journals");
}

JobEnvironment MakeEnvironment(const AllowedRoots& roots, Catalog& catalog,
                               ContentDigester& digester, const ApplyJournals& journals,
                               const Clock& clock, const std::string& data_dir) {
  JobEnvironment environment{.roots = roots,
                             .catalog = catalog,
                             .digester = digester,
                             .journals = journals,
                             .clock = clock,
                             .spool_directory = absl::StrCat(data_dir, "/tmp"),
                             .host = HostName(),
                             .protected_directories = {}};
  struct stat info{};
  if (::stat(data_dir.c_str(), &info) == 0) {
    environment.protected_directories.emplace_back(info.st_dev, info.st_ino);
  }
  return environment;
}

void LogWarning(const std::string& message) { spdlog::warn("{}", message); }
void LogError(const std::string& message) { spdlog::error("{}", message); }

class RunningServer final : public Server {
 public:
  RunningServer(const Config& config, AllowedRoots roots, std::unique_ptr<Catalog> catalog)
      : grace_(config.grace_seconds),
        roots_(std::move(roots)),
        catalog_(std::move(catalog)),
        digester_(roots_),
        journals_(SystemFsOps(), roots_, JournalDirectory(config.data_dir), LogWarning),
        job_threads_(JobThreads(config)),
        call_threads_(kCallThreads),
        environment_(
            MakeEnvironment(roots_, *catalog_, digester_, journals_, clock_, config.data_dir)),
        resume_jobs_(config.resume_jobs == "paused" ? ResumeJobs::kPaused : ResumeJobs::kAuto),
        manager_(environment_,
                 {.max_running_jobs = config.max_running_jobs,
                  .max_queued_jobs = config.max_queued_jobs},
                 job_threads_, clock_, LogError),
        retention_(manager_,
                   {.job_retention = std::chrono::seconds(config.job_retention_seconds),
                    .max_catalog_bytes = config.max_catalog_bytes},
                   job_threads_, clock_, LogError),
        housekeeping_(job_threads_),
        runtime_(call_threads_, clock_, config.max_streams),
        job_service_(manager_, retention_, runtime_),
        catalog_service_(manager_, retention_, runtime_) {}

  ~RunningServer() override { Stop(); }

  absl::Status Serve(const std::vector<ListenAddress>& addresses) {
    // Before any job that goes on, and also those that have ended: no change stays half-way.
    journals_.RecoverAll();
    if (absl::Status status = manager_.Recover(resume_jobs_); !status.ok()) return status;
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::channelz::experimental::InitChannelzService();
    grpc::ServerBuilder builder;
    Configure(builder);
    std::vector<int> ports(addresses.size(), 0);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      if (!addresses[i].socket_path.empty()) {
        if (absl::Status status = PrepareSocket(addresses[i].socket_path); !status.ok()) {
          return status;
        }
      }
      builder.AddListeningPort(addresses[i].grpc_address, grpc::InsecureServerCredentials(),
                               &ports[i]);
    }
    server_ = builder.BuildAndStart();
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      if (server_ == nullptr || ports[i] == 0) {
        return absl::FailedPreconditionError(
            absl::StrCat("cannot listen on ", addresses[i].grpc_address,
                         ": the address is in use, or is none of this host"));
      }
      addresses_.push_back(AddressText(addresses[i], ports[i]));
    }
    housekeeping_.Spawn(retention_.Run(housekeeping_.stop_token()));
    SetHealth(true);
    return absl::OkStatus();
  }

  std::vector<std::string> addresses() const override { return addresses_; }

  void Stop() override {
    if (std::exchange(stopped_, true)) return;
    if (server_ != nullptr) SetHealth(false);
    // Told first: Shutdown cancels calls only at its deadline.
    manager_.Drain();
    if (server_ != nullptr) {
      server_->Shutdown(std::chrono::system_clock::now() + grace_);
      server_->Wait();
    }
    SyncWait(runtime_.Join());
    housekeeping_.RequestStop();
    SyncWait(housekeeping_.Join());
    SyncWait(manager_.Join());
  }

 private:
  static std::string AddressText(const ListenAddress& address, int port) {
    if (!address.socket_path.empty()) return address.grpc_address;
    return absl::StrCat(address.grpc_address.substr(0, address.grpc_address.rfind(':') + 1), port);
  }

  void Configure(grpc::ServerBuilder& builder) {
    builder.RegisterService(&job_service_);
    builder.RegisterService(&catalog_service_);
    builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
    // A second server on the same port is an error, not a partner.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  }

  void SetHealth(bool serving) {
    grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
    health->SetServingStatus(serving);
    health->SetServingStatus(v1::JobService::service_full_name(), serving);
    health->SetServingStatus(v1::CatalogService::service_full_name(), serving);
  }

  // In the order they depend on each other: each outlives all below it.
  const std::chrono::seconds grace_;
  const AllowedRoots roots_;
  const std::unique_ptr<Catalog> catalog_;
  FileContentDigester digester_;
  const ApplyJournals journals_;
  SystemClock clock_;
  ThreadPool job_threads_;
  ThreadPool call_threads_;
  const JobEnvironment environment_;
  const ResumeJobs resume_jobs_;
  JobManager manager_;
  Retention retention_;
  JobScope housekeeping_;
  CallRuntime runtime_;
  JobService job_service_;
  CatalogService catalog_service_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::string> addresses_;
  bool stopped_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Config& config) {
  const absl::StatusOr<std::vector<ListenAddress>> addresses = ParseAddresses(config);
  if (!addresses.ok()) return addresses.status();
  absl::StatusOr<AllowedRoots> roots = AllowedRoots::Open(config.allow_root);
  if (!roots.ok()) {
    return absl::Status(roots.status().code(),
                        absl::StrCat("--allow_root: ", roots.status().message()));
  }
  if (absl::Status status = MakeDirectory(config.data_dir); !status.ok()) return status;
  if (absl::Status status = MakeDirectory(JournalDirectory(config.data_dir)); !status.ok()) {
    return status;
  }
  absl::StatusOr<std::unique_ptr<Catalog>> catalog = OpenSqliteCatalog(config.data_dir);
  if (!catalog.ok()) return catalog.status();
  auto server = std::make_unique<RunningServer>(config, *std::move(roots), *std::move(catalog));
  if (absl::Status status = server->Serve(*addresses); !status.ok()) return status;
  return server;
}

}  // namespace sluice
