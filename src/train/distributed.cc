#include "train/distributed.h"

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string_view>
#include <utility>

// libtorch's CMake package defines USE_C10D_* for the backends it was built with; their headers need Gloo's and NCCL's
// own.
#if defined(USE_C10D_GLOO) && __has_include(<gloo/context.h>)
#define FACET_HAS_GLOO 1
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif
#if defined(USE_C10D_NCCL) && __has_include(<nccl.h>)
#define FACET_HAS_NCCL 1
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace facet::train {
namespace {

Result<int> number_from_environment(const char* name, int low, int high) {
  const char* text = std::getenv(name);
  if (!text) return invalid_argument(std::string("environment: WORLD_SIZE is set but ") + name + " is not");
  int value = 0;
  auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
  if (error != std::errc() || *end != '\0' || value < low || value > high)
    return invalid_argument(std::string("environment: ") + name + " is '" + text + "', not a number from " +
                            std::to_string(low) + " to " + std::to_string(high));
  return value;
}

class OneProcess : public Collectives {
 public:
  int rank() const override { return 0; }
  int world_size() const override { return 1; }
  Status all_reduce_sum(std::vector<torch::Tensor>) override { return {}; }
  Status broadcast(std::vector<torch::Tensor>) override { return {}; }
};

#if FACET_HAS_GLOO

// Gradients travel in messages of about this size: long enough to hide the latency, short enough to bound the copy.
constexpr std::int64_t kBucketElements = std::int64_t{4} << 20;
// Longer than a validation or a save that the other processes wait for.
constexpr std::chrono::minutes kTimeout{30};

// What the exceptions of c10d say, on one line and without libtorch's stack trace.
std::string first_line(const std::exception& e) {
  std::string_view text = e.what();
  return std::string(text.substr(0, text.find('\n')));
}

// Backend: ProcessGroupGloo or ProcessGroupNCCL; `device` is where its messages must lie.
template <typename Backend>
class Connected : public Collectives {
 public:
  Connected(const ProcessPlace& place, torch::Device device, c10::intrusive_ptr<c10d::Store> store,
            c10::intrusive_ptr<Backend> backend)
      : place_(place), device_(device), store_(std::move(store)), backend_(std::move(backend)) {}
  int rank() const override { return place_.rank; }
  int world_size() const override { return place_.world_size; }

  Status all_reduce_sum(std::vector<torch::Tensor> tensors) override {
    return in_buckets(std::move(tensors), [&](std::vector<torch::Tensor>& message) {
      c10d::AllreduceOptions options;
      options.reduceOp = c10d::ReduceOp::SUM;
      backend_->allreduce(message, options)->wait();
    });
  }

  Status broadcast(std::vector<torch::Tensor> tensors) override {
    return in_buckets(std::move(tensors), [&](std::vector<torch::Tensor>& message) {
      c10d::BroadcastOptions options;
      options.rootRank = 0;
      std::vector<torch::Tensor> bytes{message[0].view(torch::kUInt8)};  // Gloo knows few types
      backend_->broadcast(bytes, options)->wait();
    });
  }

 private:
  template <typename Exchange>
  Status in_buckets(std::vector<torch::Tensor> tensors, Exchange exchange) {
    torch::NoGradGuard no_grad;
    try {
      for (std::size_t begin = 0; begin < tensors.size();) {
        std::size_t end = begin;
        std::int64_t elements = 0;
        std::vector<torch::Tensor> flat;
        while (end < tensors.size() && tensors[end].scalar_type() == tensors[begin].scalar_type() &&
               (end == begin || elements + tensors[end].numel() <= kBucketElements)) {
          elements += tensors[end].numel();
          flat.push_back(tensors[end++].reshape({-1}));
        }
        std::vector<torch::Tensor> message{torch::cat(flat).to(device_)};
        exchange(message);
        std::int64_t offset = 0;
        for (; begin < end; ++begin) {
          std::int64_t n = tensors[begin].numel();
          tensors[begin].copy_(message[0].narrow(0, offset, n).view(tensors[begin].sizes()));
          offset += n;
        }
      }
    } catch (const std::exception& e) {
      return internal_error("process " + std::to_string(place_.rank) + " of " + std::to_string(place_.world_size) +
                            ": lost the others: " + first_line(e));
    }
    return {};
  }

  ProcessPlace place_;
  torch::Device device_;
  c10::intrusive_ptr<c10d::Store> store_;  // outlives the backend that meets through it
  c10::intrusive_ptr<Backend> backend_;
};

Result<std::unique_ptr<Collectives>> connect_processes(const ProcessPlace& place,
                                                       [[maybe_unused]] torch::Device device) {
  try {
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(place.master_port);
    options.isServer = place.rank == 0;
    options.numWorkers = static_cast<std::size_t>(place.world_size);
    options.timeout = kTimeout;
    c10::intrusive_ptr<c10d::Store> store = c10::make_intrusive<c10d::TCPStore>(place.master_address, options);
#if FACET_HAS_NCCL
    if (device.is_cuda()) {
      auto backend = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, place.rank, place.world_size);
      return std::unique_ptr<Collectives>(
          std::make_unique<Connected<c10d::ProcessGroupNCCL>>(place, device, store, backend));
    }
#endif
    auto gloo = c10d::ProcessGroupGloo::Options::create(kTimeout);
    // On one machine the loopback is enough, and the host's own name may not resolve.
    bool local = place.master_address == "127.0.0.1" || place.master_address == "localhost";
    gloo->devices.push_back(local ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                  : c10d::ProcessGroupGloo::createDefaultDevice());
    auto backend = c10::make_intrusive<c10d::ProcessGroupGloo>(store, place.rank, place.world_size, gloo);
    return std::unique_ptr<Collectives>(
        std::make_unique<Connected<c10d::ProcessGroupGloo>>(place, torch::kCPU, store, backend));
  } catch (const std::exception& e) {
    return internal_error("process " + std::to_string(place.rank) + " of " + std::to_string(place.world_size) +
                          ": cannot meet the others at " + place.master_address + ":" +
                          std::to_string(place.master_port) + ": " + first_line(e));
  }
}

#else

Result<std::unique_ptr<Collectives>> connect_processes(const ProcessPlace&, torch::Device) {
  return unsupported(
      "environment: WORLD_SIZE is above 1, but this build has no Gloo headers; install libgloo-dev and build again");
}

#endif

}  // namespace

Result<ProcessPlace> place_from_environment() {
  ProcessPlace place;
  if (!std::getenv("WORLD_SIZE")) return place;
  FACET_ASSIGN(place.world_size, number_from_environment("WORLD_SIZE", 1, 1 << 20));
  if (place.world_size == 1) return place;
  FACET_ASSIGN(place.rank, number_from_environment("RANK", 0, place.world_size - 1));
  FACET_ASSIGN(place.master_port, number_from_environment("MASTER_PORT", 1, 65535));
  const char* address = std::getenv("MASTER_ADDR");
  if (!address || !*address) return invalid_argument("environment: WORLD_SIZE is set but MASTER_ADDR is not");
  place.master_address = address;
  return place;
}

Result<std::unique_ptr<Collectives>> Collectives::connect(const ProcessPlace& place, torch::Device device) {
  if (place.world_size == 1) return std::unique_ptr<Collectives>(std::make_unique<OneProcess>());
  return connect_processes(place, device);
}

}  // namespace facet::train
