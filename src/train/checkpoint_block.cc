#include "train/checkpoint_block.h"

#include <utility>

namespace facet::train {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct BlockHolder : torch::CustomClassHolder {
  explicit BlockHolder(Block b) : block(std::move(b)) {}
  Block block;
};

struct Checkpointed : torch::autograd::Function<Checkpointed> {
  static variable_list forward(AutogradContext* context, at::TensorList inputs,
                               c10::intrusive_ptr<BlockHolder> holder) {
    context->save_for_backward(inputs.vec());
    context->saved_data["block"] = c10::IValue::make_capsule(holder);
    c10::List<bool> wanted;
    variable_list detached;
    for (const Tensor& t : inputs) {
      wanted.push_back(t.requires_grad());
      detached.push_back(t.detach());
    }
    context->saved_data["wanted"] = wanted;
    return holder->block(detached);
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    auto holder = c10::static_intrusive_pointer_cast<BlockHolder>(context->saved_data["block"].toCapsule());
    auto wanted = context->saved_data["wanted"].toBoolList();
    variable_list inputs = context->get_saved_variables(), outputs, seeds, result;
    torch::AutoGradMode recording(true);
    for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = inputs[i].detach().set_requires_grad(wanted.get(i));
    variable_list all = holder->block(inputs);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!all[i].requires_grad()) continue;
      outputs.push_back(all[i]);
      seeds.push_back(grads[i]);
    }
    if (!outputs.empty()) torch::autograd::backward(outputs, seeds);
    for (const Tensor& t : inputs) result.push_back(t.grad());
    result.emplace_back();
    return result;
  }
};

}  // namespace

std::vector<Tensor> run_checkpointed(Block block, const std::vector<Tensor>& inputs) {
  // Parameters are captured, not passed: this input that wants a gradient makes autograd come back even when no other
  // does.
  std::vector<Tensor> all = inputs;
  all.push_back(torch::empty({0}).set_requires_grad(torch::GradMode::is_enabled()));
  auto without_last = [block = std::move(block)](const std::vector<Tensor>& x) {
    return block(std::vector<Tensor>(x.begin(), x.end() - 1));
  };
  return Checkpointed::apply(at::TensorList(all), c10::make_intrusive<BlockHolder>(without_last));
}

}  // namespace facet::train
