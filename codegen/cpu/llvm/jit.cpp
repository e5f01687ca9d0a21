#include "octile/codegen/cpu/llvm/jit.hpp"

#include <fmt/format.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/ExecutionEngine/Orc/CompileUtils.h>
#include <llvm/ExecutionEngine/Orc/ExecutionUtils.h>
#include <llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ThreadSafeModule.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/DCE.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>

#include <atomic>
#include <map>
#include <mutex>

#include "octile/codegen/cpu/llvm/lowering.hpp"

namespace octile::cpu {
namespace {

namespace orc = llvm::orc;

[[noreturn]] void fail(const std::string& doing, llvm::Error error) {
  throw ir::Error(
      fmt::format("cpu: LLVM failed while {}: {}", doing, llvm::toString(std::move(error))));
}

template <typename T>
T check(const std::string& doing, llvm::Expected<T> expected) {
  if (!expected) fail(doing, expected.takeError());
  return std::move(*expected);
}

orc::JITTargetMachineBuilder machine_for(const std::string& cpu) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto builder = check("asking for the host CPU", orc::JITTargetMachineBuilder::detectHost());
  if (!cpu.empty()) {
    builder = orc::JITTargetMachineBuilder(builder.getTargetTriple());
    builder.setCPU(cpu);
  }
#if LLVM_VERSION_MAJOR >= 18
  builder.setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
#else
  builder.setCodeGenOptLevel(llvm::CodeGenOpt::Default);
#endif
  // Float operations are done as written: nothing is fused that the program doesn't fuse.
  builder.getOptions().AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return builder;
}

/// One JIT per CPU it compiles for. Never destroyed: programs may outlive static destruction.
class Jit {
 public:
  static Jit& instance(const std::string& cpu) {
    static std::mutex mutex;
    static auto* jits = new std::map<std::string, std::unique_ptr<Jit>>();
    const std::lock_guard lock(mutex);
    std::unique_ptr<Jit>& jit = (*jits)[cpu];
    if (jit == nullptr) jit.reset(new Jit(cpu));
    return *jit;
  }

  orc::LLJIT& lljit() { return *lljit_; }
  const orc::JITTargetMachineBuilder& machine() const { return machine_; }
  std::string next_name() { return fmt::format("octile.{}", counter_.fetch_add(1)); }

 private:
  explicit Jit(const std::string& cpu) : machine_(machine_for(cpu)) {
    orc::LLJITBuilder builder;
    builder.setJITTargetMachineBuilder(machine_);
    // The default compiler shares one target machine, which two threads can't use at once.
    using Compiler = std::unique_ptr<orc::IRCompileLayer::IRCompiler>;
    builder.setCompileFunctionCreator(
        [](orc::JITTargetMachineBuilder machine) -> llvm::Expected<Compiler> {
          return std::make_unique<orc::ConcurrentIRCompiler>(std::move(machine));
        });
    lljit_ = check("starting the JIT", builder.create());
  }

  orc::JITTargetMachineBuilder machine_;
  std::unique_ptr<orc::LLJIT> lljit_;
  std::atomic<long> counter_{0};
};

/// A short pipeline: nests come out of the lowering vectorised, with invariants outside of loops.
void optimise(llvm::Module& module, llvm::TargetMachine& machine) {
  module.setDataLayout(machine.createDataLayout());
  for (llvm::Function& function : module) {
    function.addFnAttr("target-cpu", machine.getTargetCPU());
    function.addFnAttr("target-features", machine.getTargetFeatureString());
    // Full-width vectors, where LLVM would by default split them to spare the clock.
    function.addFnAttr("prefer-vector-width", "512");
    function.addFnAttr("min-legal-vector-width", "512");
  }
  llvm::PassBuilder builder(&machine);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::EarlyCSEPass());
  passes.addPass(llvm::InstCombinePass());
  llvm::LoopPassManager loop_passes;
  loop_passes.addPass(llvm::LICMPass(llvm::LICMOptions()));
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loop_passes),
                                                       /*UseMemorySSA=*/true));
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::DCEPass());
  for (llvm::Function& function : module) {
    if (!function.isDeclaration()) passes.run(function, functions);
  }
}

void verify(const llvm::Module& module) {
  std::string problems;
  llvm::raw_string_ostream stream(problems);
  if (llvm::verifyModule(module, &stream)) {
    throw ir::Error("cpu: internal: the lowering made malformed LLVM IR: " + stream.str());
  }
}

class JitCode final : public Code {
 public:
  JitCode(Jit& jit, Lowered lowered) : jit_(jit), dylib_(make_dylib(jit)) {
    try {
      add(std::move(lowered));
    } catch (...) {
      remove();
      throw;
    }
  }
  ~JitCode() override { remove(); }

  ProgramFunction entry() const override { return entry_; }

 private:
  static orc::JITDylib& make_dylib(Jit& jit) {
    auto made = jit.lljit().createJITDylib(jit.next_name());
    if (!made) fail("making a library", made.takeError());
    orc::JITDylib& dylib = *made;
    // Code generation may call memcpy and the like.
    dylib.addGenerator(check("looking up the process's symbols",
                             orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
                                 jit.lljit().getDataLayout().getGlobalPrefix())));
    return dylib;
  }

  void add(Lowered lowered) {
    orc::LLJIT& lljit = jit_.lljit();
    const std::string name = lowered.entry;
    orc::ThreadSafeModule module(std::move(lowered.module), std::move(lowered.context));
    if (auto error = lljit.addIRModule(dylib_, std::move(module))) {
      fail("adding a module", std::move(error));
    }
    const auto address = check("compiling '" + name + "'", lljit.lookup(dylib_, name));
    entry_ = address.toPtr<ProgramFunction>();
  }

  void remove() { llvm::consumeError(jit_.lljit().getExecutionSession().removeJITDylib(dylib_)); }

  Jit& jit_;
  orc::JITDylib& dylib_;
  ProgramFunction entry_ = nullptr;
};

void prepare(Lowered& lowered, const Jit& jit) {
  orc::JITTargetMachineBuilder builder = jit.machine();
  const auto machine = check("making a target machine", builder.createTargetMachine());
  lowered.module->setTargetTriple(machine->getTargetTriple().str());
  verify(*lowered.module);
  optimise(*lowered.module, *machine);
}

}  // namespace

std::unique_ptr<Code> compile_module(Lowered lowered, const std::string& cpu) {
  Jit& jit = Jit::instance(cpu);
  prepare(lowered, jit);
  return std::make_unique<JitCode>(jit, std::move(lowered));
}

std::string optimised_text(Lowered lowered, const std::string& cpu) {
  prepare(lowered, Jit::instance(cpu));
  std::string text;
  llvm::raw_string_ostream stream(text);
  lowered.module->print(stream, nullptr);
  return stream.str();
}

}  // namespace octile::cpu
