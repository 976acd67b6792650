use crate::convolution::{ConvKernel, ConvTape, ConvWorkspace};
use crate::mlp::{MlpKernel, MlpTape, MlpWorkspace, Stack, StackMut};
use crate::*;
macro_rules! imp {
    ($k:ident, $w:ident, $t:ident, $len:expr) => {
        impl<T: Real> Kernel<T> for $k<T> {
            type Workspace = $w<T>;
            type Tape = $t<T>;
            fn state_len(&self) -> usize {
                let f: fn(&Self) -> usize = $len;
                f(self)
            }
            fn parameter_count(&self) -> usize {
                self.parameters().len()
            }
            fn workspace(&self, n: usize) -> $w<T> {
                $k::workspace(self, n)
            }
            fn tape(&self, n: usize) -> $t<T> {
                $k::tape(self, n)
            }
            fn tape_bytes(&self, tape: &$t<T>) -> usize {
                tape.bytes()
            }
            fn forward(
                &self,
                t: f64,
                i: Stack<'_, T>,
                _: &[T],
                o: StackMut<'_, T>,
                w: &mut $w<T>,
            ) -> Result<(), KernelError> {
                $k::forward(self, t, i, o, w)
            }
            fn record(
                &self,
                t: f64,
                i: Stack<'_, T>,
                _: &[T],
                o: StackMut<'_, T>,
                tape: &mut $t<T>,
                w: &mut $w<T>,
            ) -> Result<(), KernelError> {
                $k::record(self, t, i, o, tape, w)
            }
            fn reverse(
                &self,
                tape: &$t<T>,
                c: Stack<'_, T>,
                g: GradientMut<'_, T>,
                w: &mut $w<T>,
            ) -> Result<f64, KernelError> {
                $k::reverse(self, tape, c, g.state, g.parameters, w)
            }
        }
    };
}
imp!(MlpKernel, MlpWorkspace, MlpTape, |k| k.architecture().outputs());
imp!(ConvKernel, ConvWorkspace, ConvTape, |k| k
    .architecture()
    .state_shape()
    .iter()
    .product());
#[derive(Debug)]
pub struct MinusState<T: Real>(SharedKernel<T>);
impl<T: Real> MinusState<T> {
    pub fn new(k: SharedKernel<T>) -> Self {
        Self(k)
    }
}
fn sub<T: Real>(a: &mut [T], b: &[T]) {
    for (a, &b) in a.iter_mut().zip(b) {
        *a -= b;
    }
}
impl<T: Real> Kernel<T> for MinusState<T> {
    type Workspace = Opaque;
    type Tape = Opaque;
    fn state_len(&self) -> usize {
        self.0.state_len()
    }
    fn parameter_count(&self) -> usize {
        self.0.parameter_count()
    }
    fn workspace(&self, n: usize) -> Opaque {
        self.0.workspace(n)
    }
    fn tape(&self, n: usize) -> Opaque {
        self.0.tape(n)
    }
    fn tape_bytes(&self, tape: &Opaque) -> usize {
        self.0.tape_bytes(tape)
    }
    fn forward(&self, t: f64, i: Stack<'_, T>, g: &[T], o: StackMut<'_, T>, w: &mut Opaque) -> Result<(), KernelError> {
        let StackMut { value, tangents } = o;
        self.0.forward(t, i, g, StackMut { value, tangents }, w)?;
        sub(value, i.value);
        sub(tangents, i.tangents);
        Ok(())
    }
    fn record(
        &self,
        t: f64,
        i: Stack<'_, T>,
        g: &[T],
        o: StackMut<'_, T>,
        tape: &mut Opaque,
        w: &mut Opaque,
    ) -> Result<(), KernelError> {
        let StackMut { value, tangents } = o;
        self.0.record(t, i, g, StackMut { value, tangents }, tape, w)?;
        sub(value, i.value);
        sub(tangents, i.tangents);
        Ok(())
    }
    fn reverse(
        &self,
        tape: &Opaque,
        c: Stack<'_, T>,
        g: GradientMut<'_, T>,
        w: &mut Opaque,
    ) -> Result<f64, KernelError> {
        let GradientMut {
            state,
            parameters,
            given,
        } = g;
        let t = self.0.reverse(
            tape,
            c,
            GradientMut {
                state,
                parameters,
                given,
            },
            w,
        )?;
        sub(state, c.value);
        Ok(t)
    }
}
