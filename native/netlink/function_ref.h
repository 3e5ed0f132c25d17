// A borrowed callable: two words, no allocation. It must not outlive the expression that made it.
#pragma once

#include <type_traits>
#include <utility>

namespace netlink {

template <class Signature>
class FunctionRef;

template <class Result, class... Arguments>
class FunctionRef<Result(Arguments...)> {
 public:
  template <class Callable>
  requires(!std::is_same_v<std::remove_cvref_t<Callable>, FunctionRef>)
      FunctionRef(Callable&& callable)  // NOLINT: implicit on purpose, as std::function_ref
      : target_(const_cast<void*>(static_cast<const void*>(&callable))),
        invoke_([](void* target, Arguments... arguments) -> Result {
          return (*static_cast<std::remove_reference_t<Callable>*>(target))(std::forward<Arguments>(arguments)...);
        }) {}

  Result operator()(Arguments... arguments) const { return invoke_(target_, std::forward<Arguments>(arguments)...); }

 private:
  void* target_;
  Result (*invoke_)(void*, Arguments...);
};

}  // namespace netlink
